import type { DatabaseSync } from 'node:sqlite'
import { DAY_MS, floorTo, MINUTE_MS } from '../../minute.ts'
import { transaction } from './connection.ts'

/** Gives up the minutes of the days before the one that holds `before`; see `purgeMinutes` of CountStore. */
export function purgeMinutes(
  database: DatabaseSync,
  { before, limit }: { before: number; limit: number },
): number {
  // Writes nothing, and so waits for no disk, but once a day.
  transaction(database, 'begin immediate', () => {
    database
      .prepare('update retention set minutes_from = ?1 where minutes_from < ?1')
      .run(floorTo(before, DAY_MS) / MINUTE_MS)
  })
  return transaction(database, 'begin immediate', () => {
    const purged = database
      .prepare(
        `delete from minute_counts where (banner_id, tally, minute) in (
           select banner_id, tally, minute from minute_counts
           where minute < (select minutes_from from retention) order by minute limit ?)`,
      )
      .run(limit)
    return Number(purged.changes)
  })
}
