import { setTimeout as pause } from 'node:timers/promises'
import { OperatorError } from '../../errors.ts'
import { LogAway } from './failure.ts'
import type { PartitionStore, StoredPartition } from './partition-store.ts'
import type { Topic } from './topic.ts'

/** So long may a topic be missing before it counts as deleted: brokers learn of their topics one after the other. */
const MISSING_MAX_MS = 10_000
/**
 * From one verdict that records are lost to the next, which must be the same: a broker that was deposed without knowing
 * it may call an older end the latest, until its next word with the controller.
 */
export const VERDICT_PAUSE_MS = 5_000

/**
 * Opens the topic: makes it if nothing was ever counted from it, and registers its partitions, of which
 * it returns how many there are. Throws `store_unavailable` while brokers or store are away, and an
 * OperatorError with exit code 3 if the topic is not the one that was counted from.
 */
export async function openTopic(
  topic: Topic,
  store: Pick<PartitionStore, 'openPartitions' | 'readPartitions'>,
): Promise<number> {
  let found = await topic.describe()
  if (found === undefined) {
    const stored = await store.readPartitions(topic.name)
    if (stored.length > 0) throw missing(topic, stored)
    await topic.create()
    found = await topic.describe()
  }
  if (found === undefined || found.leaders.some((leader) => leader < 0)) {
    throw new LogAway(`The topic ${topic.name} has no leaders yet.`)
  }
  const [starts, ends] = [await topic.starts(), await topic.ends()]
  await store.openPartitions(topic.name, found.id, starts, ends)
  return found.leaders.length
}

/** Why the topic cannot be counted from, though it should be there. */
export function missing(topic: Topic, stored: readonly StoredPartition[]): Error {
  if (topic.missingForMs < MISSING_MAX_MS) {
    return new LogAway(`The brokers know of no topic ${topic.name}.`)
  }
  return new OperatorError(
    `The topic ${topic.name} was deleted: the store has counted it up to ${positionsOf(stored)}, and the brokers have none of this name. If KAFKA_BROKERS or KAFKA_TOPIC is wrong, correct it. If the topic is gone for good, run "tallymark positions reset", which makes a new one: what was not counted is lost.`,
    { exitCode: 3 },
  )
}

/**
 * Throws an OperatorError with exit code 3 if the brokers say twice that the log no longer has what is to be counted
 * next: a process that ends does not come back by itself.
 */
export async function checkRecords(
  topic: Topic,
  store: Pick<PartitionStore, 'readPartitions'>,
  pauseMs: number,
): Promise<void> {
  for (let isSaid = false; ; isSaid = true) {
    const stored = await store.readPartitions(topic.name)
    const lost = lostRecords(topic.name, stored, await topic.starts(), await topic.ends())
    if (lost === undefined) return
    if (isSaid) throw new OperatorError(lost, { exitCode: 3 })
    await pause(pauseMs)
    await topic.describe() // others may lead by now
  }
}

/**
 * What is wrong where the log no longer has what is to be counted next; undefined if nothing is. The positions must
 * be older than the offsets, which are never below them.
 */
export function lostRecords(
  topic: string,
  stored: readonly StoredPartition[],
  starts: readonly bigint[],
  ends: readonly bigint[],
): string | undefined {
  const lost = stored.flatMap(({ number, next }) => {
    const [start = 0n, end = 0n] = [starts[number], ends[number]]
    if (next < start) {
      return [
        `partition ${number} begins at offset ${start}, and only what is below ${next} is counted`,
      ]
    }
    return next > end ? [`partition ${number} ends at offset ${end}, and ${next} is counted`] : []
  })
  if (lost.length === 0) return undefined
  return `The topic ${topic} no longer has what is to be counted next: ${lost.join('; ')}. Records were deleted before they were counted (its retention is too short for the time that nobody counted), or brokers have lost some. Either restore them, or run "tallymark positions reset", which goes on with what is there and says what was never counted.`
}

function positionsOf(stored: readonly StoredPartition[]): string {
  return stored.map(({ number, next }) => `offset ${next} of partition ${number}`).join(', ')
}
