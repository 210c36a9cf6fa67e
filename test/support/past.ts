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

/** Counts of the past, in the tables where the service merges them. `minute` is RFC 3339. */
export async function insertPast(
  app: Pick<TestApp, 'store'>,
  counts: readonly PastCount[],
): Promise<void> {
  const deltas = counts.map(
    ([bannerId, minute, count]) => [bannerId, Date.parse(minute) / 60_000, count] as const,
  )
  const statements =
    app.store.kind === 'sqlite'
      ? TABLES.flatMap(([table, column, minutes]) =>
          deltas.map(
            ([bannerId, minute, count]) =>
              `insert into ${table} (banner_id, tally, ${column}, count)
               values (${bannerId}, 1, ${Math.floor(minute / minutes)}, ${count})
               on conflict do update set count = count + excluded.count`,
          ),
        )
      : deltas.map(
          ([bannerId, minute, count]) =>
            `select add_minute(${minute}, '{${bannerId}}', '{1}', '{${count}}')`,
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
