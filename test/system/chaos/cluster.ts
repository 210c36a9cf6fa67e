// Everything that runs: broker, Postgres, and the processes of the service, each of which can be
// killed and started again while its callers go on.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, type BaseOptions } from '@platformatic/kafka'
import { createDatabase } from '../../support/database.ts'
import {
  startKafka,
  startSecuredKafka,
  type KafkaBroker,
  type SecuredKafka,
} from '../../support/kafka.ts'
import { startPostgres, type PostgresServer } from '../../support/postgres.ts'
import {
  freePort,
  serviceEnvironment,
  servingChild,
  temporaryFolder,
  type Service,
} from '../../support/service.ts'
import { Trace } from './trace.ts'

export const TOPIC = 'clicks'
const PARTITIONS = 6
/** Replicas that must have a click before it is acknowledged, of as many brokers as there are, if there are some. */
const IN_SYNC_MIN = 2
const READY_TIMEOUT_MS = 60_000
const POLL_MS = 20
const PORT_RETRY_MS = 200
const LOG_LINES = 50
const MAIN = new URL('../../../src/main.ts', import.meta.url).pathname

export type Role = 'api' | 'aggregator'

/** A process of the service, on its port for good. */
export class Member {
  readonly name: string
  readonly role: Role
  readonly origin: string
  readonly #settings: Record<string, string>
  readonly #folder: string
  #service: Service | undefined
  #isEnding = false
  /** One fault at a time. */
  isTaken = false
  /** What it printed before its last start. */
  #printed = ''
  /** Ends that nobody wanted. */
  readonly problems: string[] = []

  constructor(name: string, role: Role, settings: Record<string, string>, folder: string) {
    this.name = name
    this.role = role
    this.origin = `http://127.0.0.1:${settings['PORT']}`
    this.#settings = settings
    this.#folder = folder
  }

  async start(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS
    for (;;) {
      try {
        this.#service = await this.#spawn()
        return
      } catch (error) {
        // While it was gone, someone else may have got its port for a short connection.
        if (!/Port \d+ .* is taken/.test(String(error)) || performance.now() > deadline) throw error
        await pause(PORT_RETRY_MS)
      }
    }
  }

  async #spawn(): Promise<Service> {
    const child = spawn(process.execPath, [MAIN], {
      cwd: this.#folder,
      env: serviceEnvironment(this.#settings),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#isEnding = false
    this.#printed = this.#lines().slice(-LOG_LINES).join('\n')
    const service = await servingChild(child, Number(this.#settings['PORT']))
    child.on('exit', (code, signal) => {
      if (!this.#isEnding) this.problems.push(`${this.name} ended by itself: ${code ?? signal}`)
    })
    return service
  }

  get #running(): Service {
    if (this.#service === undefined) throw new Error(`${this.name} does not run`)
    return this.#service
  }

  async kill(): Promise<void> {
    this.#isEnding = true
    await this.#service?.kill()
  }

  /** As an orchestrator stops it. */
  async stop(): Promise<number | null> {
    this.#isEnding = true
    return await this.#running.stop()
  }

  signal(name: NodeJS.Signals): void {
    this.#running.child.kill(name)
  }

  async untilReady(timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const answer = await fetch(`${this.origin}/readyz`).catch(() => undefined)
      const said = await answer?.text().catch(() => '')
      if (answer?.ok === true) return
      if (performance.now() > deadline) throw new Error(`${this.name} is not ready: ${said}`)
      await pause(POLL_MS)
    }
  }

  /** Resident memory in MiB; 0 where it cannot be told. */
  get memory(): number {
    try {
      const status = readFileSync(`/proc/${this.#service?.child.pid}/status`, 'utf8')
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024)
    } catch {
      return 0
    }
  }

  lastLines(): string {
    return `--- ${this.name}\n${this.#lines().slice(-LOG_LINES).join('\n')}`
  }

  #lines(): string[] {
    return `${this.#printed}\n${this.#service?.output() ?? ''}`.trim().split('\n')
  }
}

export class Cluster implements AsyncDisposable {
  readonly kafka: KafkaBroker | SecuredKafka
  readonly postgres: PostgresServer
  readonly url: string
  readonly members: readonly Member[]
  readonly trace: Trace
  partitions = PARTITIONS
  readonly #resources: AsyncDisposableStack

  constructor(
    parts: Pick<Cluster, 'kafka' | 'postgres' | 'url' | 'members'>,
    resources: AsyncDisposableStack,
  ) {
    this.kafka = parts.kafka
    this.postgres = parts.postgres
    this.url = parts.url
    this.members = parts.members
    this.trace = new Trace(parts.url)
    this.#resources = resources
  }

  of(role: Role): readonly Member[] {
    return this.members.filter((member) => member.role === role)
  }

  async addPartition(): Promise<void> {
    const admin = new Admin({ ...kafkaClient(this.kafka), retries: 20, retryDelay: 200 })
    await using _ = { [Symbol.asyncDispose]: () => admin.close() }
    const count = this.partitions + 1
    await admin.createPartitions({ topics: [{ name: TOPIC, count, assignments: null }] })
    this.partitions = count
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}

type KafkaClient = Pick<BaseOptions, 'clientId' | 'bootstrapBrokers' | 'tls' | 'sasl'>

export function kafkaClient(kafka: KafkaBroker | SecuredKafka): KafkaClient {
  const client = { clientId: 'chaos', bootstrapBrokers: kafka.brokers.split(',') }
  if (!isSecured(kafka)) return client
  const { ca, user: username, password } = kafka
  const sasl = { mechanism: 'SCRAM-SHA-256', username, password } as const
  return { ...client, tls: { ca: readFileSync(ca, 'utf8') }, sasl }
}

/** Several are, see `startBrokers`. */
function isSecured(kafka: KafkaBroker | SecuredKafka): kafka is SecuredKafka {
  return kafka.nodes.length > 1
}

/** What a process of the service needs to reach it. */
function kafkaSettings(kafka: KafkaBroker | SecuredKafka): Record<string, string> {
  const settings = { KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: TOPIC }
  if (!isSecured(kafka)) return { ...settings, KAFKA_PARTITIONS: String(PARTITIONS) }
  return {
    ...settings,
    KAFKA_TLS_CA: kafka.ca,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_USERNAME: kafka.user,
    KAFKA_PASSWORD: kafka.password,
  }
}

/** One broker in the clear, or several, reached by TLS and passwords, with a topic that outlives the loss of one. */
async function startBrokers(brokers: number): Promise<KafkaBroker | SecuredKafka> {
  if (brokers === 1) return await startKafka()
  await using building = new AsyncDisposableStack()
  const kafka = building.use(await startSecuredKafka({ nodes: brokers }))
  const admin = new Admin({ ...kafkaClient(kafka), retries: 20, retryDelay: 200 })
  building.defer(() => admin.close())
  await admin.createTopics({
    topics: [TOPIC],
    partitions: PARTITIONS,
    replicas: brokers,
    configs: [{ name: 'min.insync.replicas', value: String(IN_SYNC_MIN) }],
  })
  await admin.close()
  building.move()
  return kafka
}

export interface ClusterSize {
  readonly brokers: number
  readonly apis: number
  readonly aggregators: number
}

export async function startCluster(size: ClusterSize): Promise<Cluster> {
  const resources = new AsyncDisposableStack()
  try {
    return await fill(resources, size)
  } catch (error) {
    await resources.disposeAsync()
    throw error
  }
}

async function fill(
  resources: AsyncDisposableStack,
  { brokers, apis, aggregators }: ClusterSize,
): Promise<Cluster> {
  const folder = resources.use(temporaryFolder())
  const kafka = resources.use(await startBrokers(brokers))
  const postgres = resources.use(await startPostgres({ isDurable: true }))
  const { url } = resources.use(await createDatabase(postgres.url))
  const members: Member[] = []
  for (let index = 0; index < apis + aggregators; index += 1) {
    const role = index < apis ? 'api' : 'aggregator'
    const settings = {
      PORT: String(await freePort()),
      ROLE: role,
      DATABASE_URL: url,
      ...kafkaSettings(kafka),
    }
    const place = 1 + (role === 'api' ? index : index - apis)
    const member = new Member(`${role} ${place}`, role, settings, folder.path)
    resources.defer(() => member.kill())
    members.push(member)
  }
  const cluster = new Cluster({ kafka, postgres, url, members }, resources)
  const [first, ...others] = members
  await first?.start() // makes schema and topic, so that the triggers are there before the others
  await first?.untilReady(READY_TIMEOUT_MS)
  await cluster.trace.install()
  await Promise.all(others.map((member) => member.start()))
  await Promise.all(members.map((member) => member.untilReady(READY_TIMEOUT_MS)))
  return cluster
}
