// What commands ask of the click log, and of what the store knows of it, beside services at work.
import { setTimeout as pause } from 'node:timers/promises'
import { fail, ok, type Check } from './check.ts'
import type { Config } from './config.ts'
import { AppError, isUnavailable, OperatorError } from './errors.ts'
import type { DeadLetterStore, Retried } from './log/kafka/dead-letters.ts'
import { positionsOf, type Move, type StoredPositions } from './log/kafka/positions.ts'
import type { Description, KafkaTopic } from './log/kafka/topic.ts'
import type { PostgresDatabase } from './store/postgres/database.ts'

/** A topic that was just made: brokers learn of it one after the other. */
const MADE_ATTEMPTS = 20
const MADE_INTERVAL_MS = 250

/**
 * What there is to say of the click log to an operator. Changes nothing. A store that is known to be
 * away is not waited for once more.
 */
export async function inspectLog(config: Config, isStoreAway: boolean): Promise<readonly Check[]> {
  const { store, clickLog, keyRetentionMs } = config
  const none = ok('broker', 'none is configured: clicks go from the service to the database')
  if (store.kind === 'sqlite') return [none]
  await using visit = await openPostgres(store)
  const { partitions } = visit
  const ask = async <T>(question: () => Promise<T>): Promise<T> => {
    if (isStoreAway) throw new AppError('store_unavailable', 'The database cannot be used.')
    await visit.join({ writes: false })
    return await question()
  }
  if (clickLog.kind === 'direct') {
    try {
      const { state, reason } = await ask(() => partitions.drainState())
      return [state === 'open' ? notDrained(reason) : none]
    } catch (error) {
      // Why there is nothing to be read is said of the database.
      if (!isUnavailable(error) && !(error instanceof OperatorError)) throw error
      return [none]
    }
  }
  // Only where it is needed: the client takes 20 MB.
  const { inspectKafka } = await import('./log/kafka/inspect.ts')
  return await inspectKafka(clickLog, {
    keyRetentionMs,
    readPartitions: () => ask(async () => (await storedOf(partitions, clickLog.topic)).stored),
    drainState: () => ask(() => partitions.drainState()),
  })
}

/** Also of a topic that is closed: it was counted. */
async function storedOf(partitions: PostgresDatabase['partitions'], topic: string) {
  const open = await partitions.readPartitions(topic)
  const stored = open.length > 0 ? open : await partitions.readClosed(topic)
  return { stored, isClosed: open.length < stored.length }
}

function notDrained(reason: string | undefined): Check {
  return fail(
    'broker',
    `none is configured, but the click log that was is not counted to its end: ${reason}`,
    'set KAFKA_BROKERS again until "tallymark doctor" says that it is drained',
  )
}

/** Where the topic is counted. */
export interface PositionsVisit extends AsyncDisposable {
  /** Names brokers and topic. */
  readonly label: string
  read(): Promise<StoredPositions>
  /** Makes the topic if there is none. Throws an OperatorError while somebody counts. */
  reset(moves: readonly Move[]): Promise<void>
}

/** Throws an OperatorError if there is no Kafka, or no table yet. */
export async function visitPositions({ store, clickLog }: Config): Promise<PositionsVisit> {
  if (clickLog.kind === 'direct' || store.kind === 'sqlite') {
    throw new OperatorError('Without Kafka there are no positions: set KAFKA_BROKERS.', {
      exitCode: 2,
    })
  }
  const { KafkaTopic } = await import('./log/kafka/topic.ts')
  await using building = new AsyncDisposableStack()
  const { partitions } = await joinPostgres(store, building)
  const topic = building.use(new KafkaTopic(clickLog))
  const built = building.move()
  return {
    label: clickLog.label,
    async read() {
      const { stored, isClosed } = await storedOf(partitions, clickLog.topic) // before the ends of the log
      return await ofKafka(async () => {
        const found = await topic.describe()
        const ranges = found === undefined ? [] : await rangesOf(topic)
        return { ...positionsOf(found?.id, stored, ranges), isClosed }
      })
    },
    async reset(moves) {
      const found = await ofKafka(() => topic.describe())
      const made = found ?? (await ofKafka(() => madeTopic(topic)))
      const targets =
        found === undefined
          ? made.leaders.map((_, number) => ({ number, next: 0n }))
          : moves.map(({ number, to }) => ({ number, next: to }))
      await partitions.resetPositions(clickLog.topic, made.id, targets)
    },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

async function rangesOf(topic: KafkaTopic) {
  const [starts, ends] = await Promise.all([topic.starts(), topic.ends()])
  return ends.map((end, number) => ({ start: starts[number] ?? end, end }))
}

async function madeTopic(topic: KafkaTopic): Promise<Description> {
  await topic.create()
  for (let attempt = 1; ; attempt += 1) {
    try {
      const made = await topic.describe()
      if (made !== undefined) return made
    } catch (error) {
      if (!isUnavailable(error) || attempt >= MADE_ATTEMPTS) throw error // it has no leaders yet
    }
    if (attempt >= MADE_ATTEMPTS) {
      throw new OperatorError(
        `The topic ${topic.name} was made, and cannot be seen yet; try again.`,
      )
    }
    await pause(MADE_INTERVAL_MS)
  }
}

/** An operator is told that it is Kafka, and not the store, which is away. */
async function ofKafka<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isUnavailable(error)) throw error
    throw new OperatorError(`${error.message}.`, { cause: error })
  }
}

/** Records that could not be counted. */
export interface DeadLettersVisit
  extends Pick<DeadLetterStore, 'list' | 'count' | 'missing' | 'drop'>, AsyncDisposable {
  retry(ids: readonly number[] | 'all'): Promise<Retried>
}

/** Also after Kafka is gone. Throws an OperatorError if the store keeps none, or has no table yet. */
export async function visitDeadLetters({ store }: Config): Promise<DeadLettersVisit> {
  if (store.kind === 'sqlite') {
    throw new OperatorError(
      'The embedded store has no dead letters, which come from Kafka: set DATABASE_URL or POSTGRES_HOST.',
      { exitCode: 2 },
    )
  }
  const { decodeRecord } = await import('./log/kafka/record.ts')
  await using building = new AsyncDisposableStack()
  const { deadLetters } = await joinPostgres(store, building)
  const built = building.move()
  return {
    list: (page) => deadLetters.list(page),
    count: () => deadLetters.count(),
    missing: (ids) => deadLetters.missing(ids),
    drop: (ids) => deadLetters.drop(ids),
    retry: (ids) => deadLetters.retry(decodeRecord, ids),
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

type PostgresConfig = Extract<Config['store'], { kind: 'postgres' }>

async function openPostgres(config: PostgresConfig): Promise<PostgresDatabase> {
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  return new PostgresDatabase(config)
}

/** It is closed with `building`. */
async function joinPostgres(
  config: PostgresConfig,
  building: AsyncDisposableStack,
): Promise<PostgresDatabase> {
  const store = building.use(await openPostgres(config))
  await store.join({ writes: false })
  return store
}
