import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { sendProblem } from './problem.ts'

/** `/healthz`: the process serves. */
export async function healthz(_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply.header('cache-control', 'no-store').send({ status: 'ok' })
}

/** A part of the service, as `/readyz` tells it. */
export interface ReadyPart {
  readonly name: string
  /** Why it cannot do its work; undefined: it can. */
  readonly trouble: string | undefined
  /** Clicks are counted all the same while it is in trouble. */
  readonly isOptional?: boolean
  /** Clicks that wait here. */
  readonly waiting?: number
  /** Partitions of the click log that are counted here. */
  readonly partitions?: number
}

/** Every part, the registry first. */
export function partsOf(
  registry: { readonly isLoaded: boolean },
  others: () => readonly ReadyPart[],
): readonly ReadyPart[] {
  const trouble = registry.isLoaded ? undefined : 'not loaded'
  return [{ name: 'registry', trouble }, ...others()]
}

/** `/readyz`: whether a click would be counted now, and the state of each part. */
export function readyz(
  registry: { readonly isLoaded: boolean },
  others: () => readonly ReadyPart[],
) {
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const all = partsOf(registry, others)
    const parts = Object.fromEntries(all.map((part) => [part.name, stateOf(part)]))
    if (all.every((part) => part.trouble === undefined || part.isOptional === true)) {
      return reply.header('cache-control', 'no-store').send({ status: 'ready', parts })
    }
    const error = new AppError('not_ready', 'Clicks cannot be counted at the moment.')
    return sendProblem(reply, error, { parts })
  }
}

function stateOf({ trouble = 'ok', waiting, partitions }: ReadyPart) {
  return {
    status: trouble,
    ...(waiting !== undefined && { waiting }),
    ...(partitions !== undefined && { partitions }),
  }
}

/** `/metrics`, in the text format of Prometheus. */
export function metricsPage({ registry }: Pick<Metrics, 'registry'>) {
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    reply
      .header('content-type', registry.contentType)
      .header('cache-control', 'no-store')
      .send(await registry.metrics())
}
