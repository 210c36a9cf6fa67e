import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
}

/** An empty database of its own on the tests' server, dropped with the test. */
export async function createDatabase(server = serverUrl()): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await runSql(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = name
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await runSql(server, `drop database ${name} with (force)`)
    },
  }
}

export type SqlRow = Record<string, unknown>

/** Runs statements on a connection of their own; returns the rows of a single one. */
export async function runSql(
  url: string,
  text: string,
  values?: readonly unknown[],
): Promise<SqlRow[]> {
  const client = new Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<SqlRow>(text, values && [...values])
    return rows
  } finally {
    await client.end()
  }
}

/** Holds the locks that a statement takes, until it is told otherwise: others wait for them. */
export async function hold(url: string, statement: string) {
  const client = new Client(url)
  await client.connect()
  await client.query(`begin; ${statement}`)
  return {
    /** Until so many statements that name `what` wait for a lock; returns their backends. */
    async waiting(what: string, statements: number): Promise<unknown[]> {
      const deadline = performance.now() + 20_000
      while (performance.now() < deadline) {
        const rows = await runSql(
          url,
          `select pid from pg_stat_activity where wait_event_type = 'Lock'
             and datname = current_database() and position($1 in query) > 0`,
          [what],
        )
        if (rows.length >= statements) return rows.map(({ pid }) => pid)
        await pause(10)
      }
      throw new Error(`nobody waits at ${what}`)
    },
    free: () => client.query('commit'),
    [Symbol.asyncDispose]: () => client.end(),
  }
}

/** The sums of the three tables of counts, which agree as long as no minute is given up. */
export async function mergedSums(url: string): Promise<number[]> {
  const rows = await runSql(
    url,
    `select coalesce(sum(count), 0)::int as sum from minute_counts, unnest(counts) as count
     union all
     select coalesce(sum(count), 0)::int from quarter_counts, unnest(counts) as count
     union all
     select coalesce(sum(count), 0)::int from day_counts`,
  )
  return rows.map(({ sum }) => Number(sum))
}

function serverUrl(): string {
  const url = process.env['TEST_PG_URL']
  if (url !== undefined && url !== '') return url
  throw new Error('No Postgres to test with: run the tests by "npm run test:only -- FILE".')
}
