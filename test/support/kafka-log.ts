// Kafka as the click log with Postgres behind it, wired for tests: each with a topic and a database.
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../../src/clock.ts'
import { isUnavailable } from '../../src/errors.ts'
import { openTopic } from '../../src/log/kafka/open-topic.ts'
import type { PartitionStore } from '../../src/log/kafka/partition-store.ts'
import { PartitionReader } from '../../src/log/kafka/reader.ts'
import { KafkaSink } from '../../src/log/kafka/sink.ts'
import { KafkaSource } from '../../src/log/kafka/source.ts'
import { KafkaTopic } from '../../src/log/kafka/topic.ts'
import type { Aggregate, CountStore } from '../../src/store/count-store.ts'
import type { OpenedLog, OpenOptions } from '../contract/click-log.ts'
import { unavailable, type Weather } from './fake-store.ts'
import { openEmpty, sumOf } from './postgres-store.ts'
import { createTopic } from './topic.ts'

/** The instant of all clicks of the tests. */
const CLOCK: Clock = { now: () => 1_000 }
const ACK_TIMEOUT_MS = 20_000
const OPENED_TIMEOUT_MS = 20_000
const TIMES = { renewalMs: 50, hintMs: 50 }

export interface OpenedKafkaLog extends OpenedLog {
  readonly sink: KafkaSink
  readonly source: KafkaSource
  readonly topic: KafkaTopic
}

function connectionOf(brokers: string) {
  const list = brokers.split(',').map((each) => {
    const [host = '', port] = each.split(':')
    return { host, port: Number(port) }
  })
  return { brokers: list, tls: undefined, sasl: undefined }
}

/** A sink that its user opens. */
export function makeSink(brokers: string, topic: string, options: Partial<SinkOptions> = {}) {
  return new KafkaSink({
    connection: connectionOf(brokers),
    topic,
    clock: CLOCK,
    waitingMax: 100,
    sendMax: 10,
    ackTimeoutMs: ACK_TIMEOUT_MS,
    ...options,
  })
}

type SinkOptions = ConstructorParameters<typeof KafkaSink>[0]

export async function openKafkaLog({
  weather = [],
  waitingMax = 100,
}: OpenOptions): Promise<OpenedKafkaLog> {
  await using building = new AsyncDisposableStack()
  const { brokers, name } = building.use(createTopic())
  const store = building.use(await openEmpty())
  const connection = connectionOf(brokers)
  const options = { connection, topic: name, partitions: 2, replication: 1 }
  const topic = building.use(new KafkaTopic(options))
  const reader = building.use(new PartitionReader(connection, name))
  const source = new KafkaSource({
    topic,
    reader,
    store: store.partitions,
    member: randomUUID(),
    isKnown: () => true,
    batchMax: 10,
    observe: () => {},
    times: TIMES,
  })
  const sink = building.use(makeSink(brokers, name, { waitingMax }))
  sink.open(await untilOpened(topic, store.partitions))
  const built = building.move()
  return {
    sink,
    source,
    topic,
    store: stormy(store, weather),
    total: () => sumOf(store),
    takenIn: (appends) => Promise.all(appends),
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** A topic that was just made is not everywhere yet. */
async function untilOpened(topic: KafkaTopic, store: PartitionStore): Promise<number> {
  const deadline = performance.now() + OPENED_TIMEOUT_MS
  for (;;) {
    try {
      return await openTopic(topic, store)
    } catch (error) {
      if (!isUnavailable(error) || performance.now() > deadline) throw error
      await pause(20)
    }
  }
}

/** A store whose attempts fail as told; the late ones land before the next attempt. */
function stormy(
  store: Pick<CountStore, 'commit'>,
  forecast: readonly Weather[],
): Pick<CountStore, 'commit'> {
  const left = [...forecast]
  const late: Aggregate[] = []
  return {
    async commit(aggregate) {
      const weather = left.shift() ?? 'fine'
      for (const earlier of late.splice(0)) await store.commit(earlier)
      if (weather === 'lands late') late.push(aggregate)
      if (weather === 'refuses' || weather === 'lands late') throw unavailable()
      const outcome = await store.commit(aggregate)
      if (weather === 'answer lost') throw unavailable()
      return outcome
    },
  }
}
