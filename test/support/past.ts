import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export type PastCount = readonly [bannerId: number, minute: string, count: number]

/** Counts of the past, written where the service would have written them. `minute` is RFC 3339. */
export function insertPast(dataFolder: string, counts: readonly PastCount[]): void {
  const database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'), { timeout: 1_000 })
  for (const [table, column, minutes] of [
    ['minute_counts', 'minute', 1],
    ['quarter_counts', 'quarter', 15],
    ['day_counts', 'day', 1_440],
  ] as const) {
    const insert = database.prepare(
      `insert into ${table} (banner_id, tally, ${column}, count) values (?, 1, ?, ?)
       on conflict do update set count = count + excluded.count`,
    )
    for (const [bannerId, minute, count] of counts) {
      insert.run(bannerId, Math.floor(Date.parse(minute) / 60_000 / minutes), count)
    }
  }
  database.close()
}
