// Which click log stands behind the ports: none but the store, or Kafka.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { runAggregator, type AttemptObserver } from './aggregator/aggregator.ts'
import type { Config } from './config.ts'
import { AppError, isUnavailable } from './errors.ts'
import type { ReadyPart } from './http/health.ts'
import type { ClickSink } from './log/click-log.ts'
import { DirectLog } from './log/direct.ts'
import type { KnownPartition } from './log/kafka/known-partition.ts'
import type { PartitionStore } from './log/kafka/partition-store.ts'
import type { Times } from './log/kafka/source.ts'
import type { Topic } from './log/kafka/topic.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { MINUTE_MS } from './minute.ts'
import type { Store } from './open-store.ts'
import type { BannerRegistry } from './registry/banner-registry.ts'

/** Bounds one transaction: 5,000 keyed clicks took 30 ms. */
const BATCH_MAX = 5_000
/** Of a process that ends: whether it can still say so. */
const LEAVING_MS = 1_000
/**
 * Of a process that ends: to count what is left. A store that hangs is not waited for: what is in doubt is
 * settled by the position, and leases end by themselves.
 */
const COUNTING_GRACE_MS = 3_000
const TROUBLE_TOLD_AFTER_MS = 2_000

export interface LogParts {
  readonly config: Config
  /** Shorter in tests. */
  readonly times: Partial<Times> | undefined
  readonly store: Store
  readonly partitions: PartitionStore | undefined
  readonly registry: BannerRegistry
  readonly metrics: Metrics
  readonly logger: Logger
  readonly observe: AttemptObserver
  /** What is opened is closed with it, in reverse. */
  readonly building: AsyncDisposableStack
  /** Runs from when the store is prepared until it is aborted, and no longer than `graceMs` after. */
  readonly inBackground: (run: (signal: AbortSignal) => Promise<void>, graceMs?: number) => void
}

export interface OpenedLog {
  readonly sink: ClickSink
  /** To be done before the first click, each time until it succeeds. */
  readonly prepare: () => Promise<void>
  /** Whether this process takes clicks and answers questions, or only counts. */
  readonly takesClicks: boolean
  /** What `/readyz` says of the log, and of what else stands behind it. */
  readonly state: () => readonly ReadyPart[]
}

export async function openLog(parts: LogParts): Promise<OpenedLog> {
  const { clickLog } = parts.config
  return clickLog.kind === 'direct' ? openDirect(parts) : openKafka(parts, clickLog)
}

function openDirect({ config, store, metrics, observe, building, inBackground }: LogParts) {
  const source = `writer:${randomUUID()}`
  const log = building.use(
    new DirectLog({
      source,
      clock: store.clock,
      waitingMax: config.waitingMax,
      batchMax: BATCH_MAX,
      ackTimeoutMs: config.ackTimeoutMs,
      storeTrouble: () => store.trouble,
      onLate: (clicks) => metrics.late.inc(clicks),
    }),
  )
  inBackground((signal) => runAggregator(log, store, signal, observe))
  return {
    sink: log,
    takesClicks: true,
    prepare: async () => void (await store.open(source, 0n)),
    state: () => [logPart(log)],
  }
}

function logPart(sink: Pick<ClickSink, 'state'>): ReadyPart {
  const { waiting, trouble } = sink.state()
  return { name: 'log', trouble, waiting }
}

type KafkaConfig = Extract<Config['clickLog'], { kind: 'kafka' }>

async function openKafka(parts: LogParts, config: KafkaConfig): Promise<OpenedLog> {
  // Only where it is needed: loading the client takes 0.4 s and 55 MB.
  const { KafkaTopic } = await import('./log/kafka/topic.ts')
  const topic = parts.building.use(new KafkaTopic(config))
  const { role } = config
  // In this order: at the end what was taken in is sent before the last is counted.
  const source = role === 'api' ? undefined : await openSource(parts, config, topic)
  const sink = role === 'aggregator' ? undefined : await openSink(parts, config, topic)
  return {
    sink: sink ?? NO_SINK,
    takesClicks: sink !== undefined,
    prepare: async () => {},
    state: () => [
      ...(sink ? [logPart(sink)] : []),
      // Clicks are taken without these, and wait in the log.
      ...(source ? [{ ...source(), ...(sink && { isOptional: true }) }] : []),
      { name: 'store', trouble: parts.store.trouble, isOptional: true },
    ],
  }
}

async function openSource(
  parts: LogParts,
  { connection, topic: name, tickerMinutes }: KafkaConfig,
  topic: Topic,
): Promise<() => ReadyPart> {
  const { store, partitions, registry, metrics, logger, observe, building, inBackground, times } =
    parts
  assert.ok(partitions, 'the configuration has seen to it that there is a Postgres')
  const [{ KafkaSource }, { PartitionReader }] = await Promise.all([
    import('./log/kafka/source.ts'),
    import('./log/kafka/reader.ts'),
  ])
  const reader = building.use(new PartitionReader(connection, name))
  const says = tellChanges(logger, 'Clicks cannot be counted, trying again', 'Clicks are counted')
  let trouble: string | undefined = 'no partition is read yet'
  let logTrouble: string | undefined = trouble
  const source = new KafkaSource({
    topic,
    reader,
    store: partitions,
    member: randomUUID(),
    isKnown: (id) => registry.knows(id),
    batchMax: BATCH_MAX,
    tickMs: tickerMinutes === undefined ? undefined : tickerMinutes * MINUTE_MS,
    times,
    observe(now, isOfLog) {
      trouble = now
      if (isOfLog) logTrouble = now
      says(now)
    },
  })
  metrics.read.partitions = () => source.state().partitions
  metrics.read.eachPartition = () => source.partitions()
  metrics.read.tickerSeconds = () => (tickerMinutes ?? 0) * 60
  inBackground((signal) => runAggregator(source, store, signal, observe), COUNTING_GRACE_MS)
  return () => ({
    name: 'aggregator',
    trouble,
    isOptional: logTrouble === undefined, // it is the store, which comes back by itself
    ...source.state(),
  })
}

async function openSink(
  parts: LogParts,
  { connection, topic: name, role }: KafkaConfig,
  topic: Topic,
): Promise<ClickSink> {
  const { config, store, partitions, metrics, logger, building, inBackground } = parts
  assert.ok(partitions, 'the configuration has seen to it that there is a Postgres')
  const [{ KafkaSink, SEND_MAX }, { watchTopic }] = await Promise.all([
    import('./log/kafka/sink.ts'),
    import('./log/kafka/watch-topic.ts'),
  ])
  const member = randomUUID()
  const sink = new KafkaSink({
    connection,
    topic: name,
    clock: store.clock,
    waitingMax: config.waitingMax,
    sendMax: SEND_MAX,
    ackTimeoutMs: config.ackTimeoutMs,
    onLate: (clicks) => metrics.late.inc(clicks),
    observe(clicks, isTaken, durationMs) {
      metrics.sends.inc({ outcome: isTaken ? 'taken' : 'given-up' })
      metrics.sendClicks.observe(clicks)
      metrics.sendSeconds.observe(durationMs / 1_000)
    },
  })
  building.defer(() => leave(partitions, member, sink.lastAppendAt))
  building.use(sink)
  const observe = tellChanges(logger, 'Clicks cannot be taken, trying again', 'Clicks are taken')
  const tell = (known: readonly KnownPartition[]): void => {
    // One that counts knows better how far its own are.
    if (role === 'api') metrics.read.eachPartition = () => known
  }
  const watch = { topic, store: partitions, sink, member, observe, tell }
  inBackground((signal) => watchTopic(watch, signal), LEAVING_MS)
  return sink
}

/** If the store cannot be told now, it waits a minute before it believes that this process is gone. */
async function leave(partitions: PartitionStore, member: string, lastAppendAt: number) {
  const told = partitions.announceApi(member, lastAppendAt).catch((error: unknown) => {
    if (!isUnavailable(error)) throw error
  })
  await Promise.race([told, pause(LEAVING_MS)])
}

/** A process that only counts takes no clicks: its routes say so before they ask. */
const NO_SINK: ClickSink = {
  append: () => Promise.reject(new AppError('wrong_role', 'This process takes no clicks.')),
  state: () => ({ waiting: 0, trouble: undefined }),
  giveUp() {},
}

/**
 * One line when something goes wrong, or for another reason, one when it is right again. What passes by itself within moments,
 * as after a topic was made, is not worth one.
 */
function tellChanges(
  logger: Logger,
  wrong: string,
  right: string,
): (trouble: string | undefined) => void {
  let since: number | undefined
  let last: string | undefined
  let told: string | undefined
  return (trouble) => {
    const now = performance.now()
    // Another trouble must last as long, or errors that take turns would fill the log.
    if (since === undefined || (told !== undefined && trouble !== last)) since = now
    last = trouble
    if (trouble === undefined) {
      if (told !== undefined) logger.info(`${right} again`)
      since = undefined
      told = undefined
    } else if (trouble !== told && now - since >= TROUBLE_TOLD_AFTER_MS) {
      told = trouble
      logger.warn(`${wrong}: ${trouble}`)
    }
  }
}
