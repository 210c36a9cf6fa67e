// What every client of the brokers is made with. The configuration has been checked.
import { isIP } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Base, BaseOptions } from '@platformatic/kafka'

export interface KafkaConnection {
  readonly brokers: readonly { readonly host: string; readonly port: number }[]
  /** Texts of PEM files. Undefined: without TLS. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined
  readonly sasl:
    | {
        readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
        readonly username: string
        readonly password: string
      }
    | undefined
}

type ClientOptions = Pick<
  BaseOptions,
  'clientId' | 'bootstrapBrokers' | 'tls' | 'tlsServerName' | 'sasl'
>

/** `clientId` is shown in the log and the metrics of the brokers. */
export function clientOptions(connection: KafkaConnection, clientId: string): ClientOptions {
  const { brokers, tls, sasl } = connection
  return {
    clientId,
    bootstrapBrokers: brokers.map(({ host, port }) => ({ host, port })),
    // The name is how a gateway in front of several brokers tells them apart. An address is none:
    // Node.js warns of it, and checks it against the certificate without being told.
    ...(tls && { tls, tlsServerName: !brokers.some(({ host }) => isIP(host) !== 0) }),
    ...(sasl && { sasl }),
  }
}

/**
 * Leaves errors of connections to the calls that are under way, which fail by them. Unheard, they
 * would end the process: a connection that is reset while it logs in tells of it twice, and the
 * client listens once.
 */
export function tolerant<T extends Base>(client: T): T {
  client.on('error', () => {})
  client.connections.on('connecting', ({ connection }) => void connection.on('error', () => {}))
  return client
}

const CLOSING_MS = 1_000

/** Does not wait for a broker that hangs, nor for what is under way. */
export async function untilClosed(closing: Promise<void>): Promise<void> {
  await Promise.race([closing.catch(() => {}), pause(CLOSING_MS)])
}
