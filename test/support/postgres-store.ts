// A Postgres store for tests, on a database of its own.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { postgresUrl } from '../../src/postgres-url.ts'
import { PostgresDatabase, type PostgresOptions } from '../../src/store/postgres/database.ts'
import { createDatabase, runSql, type TestDatabase } from './database.ts'

export const NOON = Date.UTC(2024, 11, 10, 12)

const databases = new AsyncDisposableStack()
after(() => databases.disposeAsync())

export async function emptyDatabase(): Promise<TestDatabase> {
  return databases.use(await createDatabase())
}

export async function openEmpty(): Promise<PostgresDatabase> {
  return openAt((await emptyDatabase()).url)
}

export async function openAt(
  url: string,
  options: Partial<PostgresOptions> = {},
): Promise<PostgresDatabase> {
  const store = new PostgresDatabase({
    connection: postgresUrl(url),
    label: 'Postgres',
    ...options,
  })
  try {
    await store.prepare()
    return store
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

export function batchOf(source: string, from: bigint, clicks: readonly Click[]) {
  return aggregate({ span: { source, from, to: from + 1n, batchId: randomUUID() }, clicks })
}

export function clickOf(bannerId: number, at = NOON, key?: string): Click {
  return { bannerId, tally: 'click', at, ...(key !== undefined && { key }) }
}

export async function sumOf(store: PostgresDatabase): Promise<number> {
  const always = { resolution: 'day', from: 0, to: 2 * NOON } as const
  const { rows } = await store.totals('click', [always])
  return rows.reduce((sum, { total }) => sum + total, 0)
}

export async function untilMerged(url: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while ((await runSql(url, 'select from unmerged')).length > 0) {
    assert.ok(performance.now() < deadline, 'nothing was merged')
    await pause(20)
  }
}
