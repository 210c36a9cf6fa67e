import { AppError, isUnavailable, OperatorError, reasonOf } from '../../errors.ts'
import { sleep } from '../../lib/background.ts'
import { knownPartition, type KnownPartition } from './known-partition.ts'
import { lostRecords, missing, openTopic } from './open-topic.ts'
import type { PartitionStore, StoredPartition } from './partition-store.ts'
import type { KafkaSink } from './sink.ts'
import type { Topic } from './topic.ts'

const INTERVAL_MS = 1_000

export interface WatchParts {
  readonly topic: Topic
  readonly store: PartitionStore
  readonly sink: Pick<KafkaSink, 'open' | 'doubt' | 'refuse'>
  /** This process, a UUID. */
  readonly member: string
  /** Told each time why clicks cannot be put into the log, or undefined: they can. */
  readonly observe: (refusal: string | undefined) => void
  /** Told each time how far the partitions are counted, by number, whoever counts them. */
  readonly tell: (partitions: readonly KnownPartition[]) => void
}

/**
 * For whoever puts clicks into the log: opens the topic, and looks once a second whether it is still the
 * one that is counted, until `signal` aborts. If it is not, the sink refuses clicks. That brokers are away
 * for a while is no reason to: the sink itself finds out whether a click can be sent.
 */
export async function watchTopic(parts: WatchParts, signal: AbortSignal): Promise<void> {
  const { sink, observe } = parts
  let stored: readonly StoredPartition[] = []
  while (!signal.aborted) {
    try {
      stored = await look(parts, stored, signal)
      sink.open(stored.length)
      observe(undefined)
    } catch (error) {
      const isLost = error instanceof OperatorError
      if (!isLost && !isUnavailable(error)) throw error
      const reason = reasonOf(error)
      if (isLost) sink.refuse(reason)
      else sink.doubt(reason)
      observe(reason)
    }
    await sleep(INTERVAL_MS, signal)
  }
}

/** The partitions that clicks may go to. Throws an OperatorError if none may. */
async function look(
  parts: WatchParts,
  known: readonly StoredPartition[],
  signal: AbortSignal,
): Promise<readonly StoredPartition[]> {
  const { topic, store, tell } = parts
  const found = await topic.describe()
  if (found === undefined && known.length > 0) throw missing(topic, known)
  const isSame = known.length > 0 && known.every(({ topicId }) => topicId === found?.id)
  if (!isSame) await openTopic(topic, store)
  const isLonger = isSame && found !== undefined && found.leaders.length > known.length
  const stored = await readStored(parts, known, isLonger, signal)
  const [starts, ends] = [await topic.starts(), await topic.ends()]
  tell(stored.map(({ number, next }) => knownPartition(number, next, ends[number])))
  // Once is enough: what is refused for a second was never taken, and the next look may call it well.
  const lost = lostRecords(topic.name, stored, starts, ends)
  if (lost !== undefined) throw new OperatorError(lost, { exitCode: 3 })
  return stored
}

/** What was known, while the store is away: clicks go on without it. */
async function readStored(
  { topic, store, member }: WatchParts,
  known: readonly StoredPartition[],
  isLonger: boolean,
  signal: AbortSignal,
): Promise<readonly StoredPartition[]> {
  try {
    // Before the first click. Not after the last: the process says then that it has left.
    if (!signal.aborted) await store.announceApi(member)
    if (isLonger) await openTopic(topic, store)
    let stored = await store.readPartitions(topic.name)
    if (stored.length === 0 && known.length > 0) {
      // Closed meanwhile, by somebody to whom this process looked gone: nobody counts what goes there.
      await openTopic(topic, store)
      stored = await store.readPartitions(topic.name)
    }
    if (stored.length > 0) return stored
    throw new AppError('store_unavailable', `The topic ${topic.name} is not open yet.`)
  } catch (error) {
    if (known.length === 0 || !isUnavailable(error)) throw error
    return known
  }
}
