// Batches of partitions, and what happened to partitions and members long ago.
import { randomUUID } from 'node:crypto'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import type { Suspect } from '../../src/log/click-log.ts'
import type { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { runSql } from './database.ts'

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
