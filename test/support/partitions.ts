// Batches of partitions, and what happened to partitions and members long ago.
import { randomUUID } from 'node:crypto'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import type { Suspect } from '../../src/log/click-log.ts'
import type { PartitionStore } from '../../src/log/kafka/partition-store.ts'
import type { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { runSql } from './database.ts'
import { emptyDatabase, openAt } from './postgres-store.ts'

export const TOPIC = 'clicks'
export const LEASE_MS = 1_500

export interface Content {
  readonly clicks?: readonly Click[]
  readonly suspects?: readonly Suspect[]
  readonly completeUntil?: number
}

/** The offsets [from, to) of a partition of TOPIC. */
export function batchIn(partition: number, from: bigint, to: bigint, content: Content = {}) {
  const { clicks = [], suspects = [], completeUntil } = content
  const span = { source: `${TOPIC}/${partition}`, from, to, batchId: randomUUID() }
  return aggregate({
    span: { ...span, ...(completeUntil !== undefined && { completeUntil }) },
    clicks,
    suspects,
  })
}

/** Registers banners 1 to 3, as the collector decides nothing here. */
export async function addBanners(store: PostgresDatabase): Promise<void> {
  const drafts = [1, 2, 3].map(
    (id) => ({ id, name: `${id}`, url: null, status: 'active' }) as const,
  )
  await store.addAll(drafts, 'always')
}

/** As if everything that members and leases say had been said so much earlier. */
export async function letPass(url: string, ms: number): Promise<void> {
  await runSql(
    url,
    `update members set seen = seen - ${ms};
     update partitions set lease_until = lease_until - ${ms} where lease_until > 0`,
  )
}

export async function completeUntilOf(store: PostgresDatabase): Promise<number[]> {
  const partitions = await store.partitions.readPartitions(TOPIC)
  return partitions.map(({ completeUntil }) => completeUntil)
}

/** Registers a topic that holds no record from these offsets on. */
export function openEmpty(
  partitions: Pick<PartitionStore, 'openPartitions'>,
  topic: string,
  topicId: string,
  starts: readonly bigint[],
): Promise<void> {
  return partitions.openPartitions(topic, topicId, starts, starts)
}

/** A store with banners 1 to 3 whose topic begins at these offsets. */
export async function opened(starts: readonly bigint[], topicId = randomUUID()) {
  const { url } = await emptyDatabase()
  const store = await openAt(url)
  await addBanners(store)
  await openEmpty(store.partitions, TOPIC, topicId, starts)
  return { url, store, topicId, partitions: store.partitions }
}

export async function nextsOf(store: PostgresDatabase, topic = TOPIC): Promise<bigint[]> {
  return (await store.partitions.readPartitions(topic)).map(({ next }) => next)
}

/** Raises completeUntil of a partition that is counted to its end, as an aggregator does. */
export async function completeBy(store: PostgresDatabase, instant: number): Promise<void> {
  const aggregator = randomUUID()
  const stored = await store.partitions.readPartitions(TOPIC)
  const marks = stored.map(({ number, next }) => ({ number, end: next, instant }))
  await store.partitions.renewLeases(TOPIC, aggregator, LEASE_MS, marks)
  await store.partitions.releaseLeases(aggregator)
}
