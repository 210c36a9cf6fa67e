// For `tallymark doctor`: brokers and topic as they are found. Nothing is changed.
import {
  Admin,
  ConfigResourceTypes,
  ListOffsetTimestamps,
  ResponseError,
  type metadataV12,
} from '@platformatic/kafka'
import { fail, ok, warn, type Check } from '../../check.ts'
import { isUnavailable, OperatorError, reasonOf } from '../../errors.ts'
import { clientOptions, tolerant, untilClosed, type KafkaConnection } from './client.ts'
import { apiIdsOf, isTopicUnknown, refusalOf, troubleOf } from './failure.ts'
import type { StoredPartition } from './partition-store.ts'
import {
  countedCheck,
  missingTopicCheck,
  topicChecks,
  type FoundPartition,
  type FoundTopic,
  type DrainState,
  type LogRange,
  type StoredLog,
} from './topic-checks.ts'

const TIMEOUT_MS = 3_000
const SETTINGS = [
  'cleanup.policy',
  'min.insync.replicas',
  'retention.bytes',
  'retention.ms',
  'unclean.leader.election.enable',
]

export interface InspectedLog {
  readonly connection: KafkaConnection
  readonly topic: string
  /** Of a topic that is made. */
  readonly partitions: number
  readonly replication: number
  readonly tickerMinutes: number | undefined
}

export interface InspectionOptions {
  readonly keyRetentionMs: number
  /** None if there is no database yet. Throws `store_unavailable` while it is away. */
  readonly readPartitions: () => Promise<readonly StoredPartition[]>
  /** Whether the log could be left now, and why not. Throws as the other does. */
  readonly drainState: () => Promise<DrainState>
}

type Broker = KafkaConnection['brokers'][number]

export async function inspectKafka(
  log: InspectedLog,
  options: InspectionOptions,
): Promise<Check[]> {
  const { connection } = log
  const asked = await Promise.all(connection.brokers.map((broker) => ask(connection, broker)))
  const answering = connection.brokers.filter((_, index) => asked[index]?.error === undefined)
  // Clients go to the brokers by the names that the cluster gives them, not by those they began with.
  const known = new Set(connection.brokers.map(placeOf))
  const cluster = asked.flatMap(({ brokers }) => brokers)
  const others = [...new Map(cluster.map((each) => [placeOf(each), each])).values()]
  const named = others.filter((broker) => !known.has(placeOf(broker)))
  const found = await Promise.all(named.map((broker) => ask(connection, broker)))
  const checks = [
    ...asked.map((answer) => brokerCheck(answer, answering.length > 0)),
    ...found.map(namedBrokerCheck),
  ]
  if (answering.length === 0) return checks
  await using resources = new AsyncDisposableStack()
  const admin = adminOf({ ...connection, brokers: answering })
  resources.defer(() => untilClosed(admin.close()))
  const stored = await readStored(options)
  checks.push(...(await inspectTopic(admin, log, others.length, stored, options)))
  return checks
}

interface Answer {
  readonly broker: Broker
  /** Undefined: it answers. */
  readonly error?: unknown
  /** All that it knows. */
  readonly brokers: readonly Broker[]
}

async function ask(connection: KafkaConnection, broker: Broker): Promise<Answer> {
  const admin = adminOf({ ...connection, brokers: [broker] })
  try {
    const { brokers } = await admin.metadata({ topics: [] })
    return { broker, brokers: [...brokers.values()] }
  } catch (error) {
    return { broker, error, brokers: [] }
  } finally {
    await untilClosed(admin.close())
  }
}

function adminOf(connection: KafkaConnection): Admin {
  return tolerant(
    new Admin({
      ...clientOptions(connection, 'tallymark-doctor'),
      retries: 0,
      connectTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
      autocreateTopics: false,
    }),
  )
}

/** Of a broker that the settings name: without the others it is missed only when those are away. */
function brokerCheck({ broker, error }: Answer, hasOthers: boolean): Check {
  const place = placeOf(broker)
  if (error === undefined) return ok('broker', `${place} answers`)
  const refusal = refusalOf(error)
  if (refusal !== undefined) return fail('broker', `${place} ${refusal.found}`, refusal.remedy)
  const found = `${place} does not answer: ${troubleOf(error)}`
  return hasOthers
    ? warn('broker', found, 'start it, or take it out of KAFKA_BROKERS')
    : fail('broker', found, silenceRemedy(error))
}

function silenceRemedy(error: unknown): string {
  const isClosed = /closed|ECONNRESET|disconnected/.test(troubleOf(error))
  return isClosed
    ? 'see in its log why it closes the connection: it may ask for TLS (KAFKA_TLS), or for a user (KAFKA_SASL_MECHANISM)'
    : 'start it, or correct KAFKA_BROKERS'
}

function namedBrokerCheck({ broker, error }: Answer): Check {
  const place = placeOf(broker)
  if (error === undefined) return ok('broker', `${place}, of the same cluster, answers`)
  const refusal = refusalOf(error)
  const found = refusal?.found ?? `does not answer: ${troubleOf(error)}`
  return fail(
    'broker',
    `${place}, as the cluster calls one of its brokers, ${found}`,
    refusal?.remedy ?? 'start it, or set its advertised.listeners to what can be reached from here',
  )
}

/** A sentence: why nothing can be read. */
async function readStored({
  readPartitions,
  drainState,
}: InspectionOptions): Promise<StoredLog | string> {
  try {
    return { partitions: await readPartitions(), drain: await drainState() }
  } catch (error) {
    if (!isUnavailable(error) && !(error instanceof OperatorError)) throw error
    return reasonOf(error)
  }
}

async function inspectTopic(
  admin: Admin,
  log: InspectedLog,
  brokers: number,
  stored: StoredLog | string,
  { keyRetentionMs }: InspectionOptions,
): Promise<Check[]> {
  const known = typeof stored === 'string' ? [] : stored.partitions
  try {
    const partitions = await readTopic(admin, log.topic)
    if (partitions === undefined) return [missingTopicCheck(log, brokers, known)]
    const settings = await readSettings(admin, log.topic)
    const topic: FoundTopic = { name: log.topic, brokers, settings, ...partitions }
    const checks = topicChecks(topic, known, keyRetentionMs)
    return [...checks, ...(await positionsChecks(admin, topic, stored, log.tickerMinutes))]
  } catch (error) {
    // Of the client; a mistake of ours has another name.
    if (!(error instanceof Error) || error instanceof TypeError) throw error
    const refusal = refusalOf(error)
    const found = `${log.topic}: ${refusal === undefined ? troubleOf(error) : `the broker ${refusal.found}`}`
    return [fail('topic', found, refusal?.remedy ?? 'see the logs of the brokers, and try again')]
  }
}

/** Undefined: there is none of this name. */
async function readTopic(
  admin: Admin,
  name: string,
): Promise<Pick<FoundTopic, 'id' | 'partitions'> | undefined> {
  try {
    const { topics } = await admin.metadata({ topics: [name], forceUpdate: true })
    const topic = topics.get(name)
    return (
      topic && {
        id: topic.id,
        partitions: topic.partitions.map(({ leader, replicas, isr }, number) => ({
          number,
          hasLeader: leader >= 0,
          replicas: replicas.length,
          inSync: isr.length,
        })),
      }
    )
  } catch (error) {
    if (isTopicUnknown(error)) return undefined
    const topic = leaderlessTopic(error)
    if (topic === undefined) throw error
    return topic
  }
}

/** The client makes an error of the whole answer if one partition has no leader. */
function leaderlessTopic(error: unknown): Pick<FoundTopic, 'id' | 'partitions'> | undefined {
  if (!(error instanceof ResponseError) || !apiIdsOf(error).includes('LEADER_NOT_AVAILABLE')) {
    return undefined
  }
  // Only a question for metadata is answered like this, and the client keeps the answer as it is.
  const { topics } = error['response'] as metadataV12.MetadataResponse
  const [topic] = topics
  const partitions = topic?.partitions.map(
    ({ partitionIndex, leaderId, replicaNodes, isrNodes }): FoundPartition => ({
      number: partitionIndex,
      hasLeader: leaderId >= 0,
      replicas: replicaNodes.length,
      inSync: isrNodes.length,
    }),
  )
  return topic && { id: topic.topicId, partitions: partitions ?? [] }
}

async function readSettings(admin: Admin, topic: string): Promise<FoundTopic['settings']> {
  try {
    const [found] = await admin.describeConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: topic,
          configurationKeys: SETTINGS,
        },
      ],
    })
    return new Map(found?.configs.map(({ name, value }) => [name, value ?? '']))
  } catch (error) {
    if (apiIdsOf(error).some((id) => id.endsWith('AUTHORIZATION_FAILED'))) return undefined
    throw error
  }
}

async function positionsChecks(
  admin: Admin,
  topic: FoundTopic,
  stored: StoredLog | string,
  tickerMinutes: number | undefined,
): Promise<Check[]> {
  if (typeof stored === 'string') {
    return [warn('counted', `the positions cannot be read: ${stored}`, 'see "database" above')]
  }
  // Their offsets cannot be asked for, and it is said above.
  if (topic.partitions.some(({ hasLeader }) => !hasLeader)) return []
  if (stored.partitions.some(({ topicId }) => topicId !== topic.id)) return []
  try {
    const [starts, ends] = await Promise.all([
      readOffsets(admin, topic, ListOffsetTimestamps.EARLIEST),
      readOffsets(admin, topic, ListOffsetTimestamps.LATEST),
    ])
    const ranges = ends.map((end, number): LogRange => ({ start: starts[number] ?? end, end }))
    return [countedCheck(stored, ranges, { now: Date.now(), tickerMinutes })]
  } catch (error) {
    const found = `the ends of the log cannot be read: ${troubleOf(error)}`
    return [fail('counted', found, 'see "broker" above, and try again')]
  }
}

/** By number. */
async function readOffsets(
  admin: Admin,
  { name, partitions }: FoundTopic,
  timestamp: bigint,
): Promise<bigint[]> {
  const asked = partitions.map(({ number }) => ({ partitionIndex: number, timestamp }))
  const [found] = await admin.listOffsets({ topics: [{ name, partitions: asked }] })
  const offsets = new Map(found?.partitions.map((each) => [each.partitionIndex, each.offset]))
  return partitions.map(({ number }) => offsets.get(number) ?? 0n)
}

function placeOf({ host, port }: Broker): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
