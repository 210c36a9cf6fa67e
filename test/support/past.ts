import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestApp } from './app.ts'
import { runSql } from './database.ts'

export type PastCount = readonly [bannerId: number, minute: string, count: number]

const TABLES = [
  ['minute_counts', 'minute', 1],
  ['quarter_counts', 'quarter', 15],
  ['day_counts', 'day', 1_440],
] as const

/** Counts of the past, written where the service would have written them. `minute` is RFC 3339. */
export async function insertPast(
  app: Pick<TestApp, 'store'>,
  counts: readonly PastCount[],
): Promise<void> {
  const statements = TABLES.flatMap(([table, column, minutes]) =>
    counts.map(([bannerId, minute, count]) => {
      const slot = Math.floor(Date.parse(minute) / 60_000 / minutes)
      return `insert into ${table} (banner_id, tally, ${column}, count)
        values (${bannerId}, 1, ${slot}, ${count})
        on conflict (banner_id, tally, ${column})
        do update set count = ${table}.count + excluded.count`
    }),
  )
  await runInStore(app, statements.join(';\n'))
}

/** Runs statements that both stores understand, on a connection of their own. */
export async function runInStore(
  { store }: Pick<TestApp, 'store'>,
  statements: string,
): Promise<void> {
  switch (store.kind) {
    case 'sqlite': {
      const path = join(store.folder, 'tallymark.sqlite')
      using database = new DatabaseSync(path, { timeout: 1_000 })
      database.exec(statements)
      return
    }
    case 'postgres':
      await runSql(store.url, statements)
  }
}
