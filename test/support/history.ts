import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MINUTE_MS } from '../../src/minute.ts'

export interface History {
  /** The folder of an embedded store, also one that a service runs on. */
  readonly folder: string
  readonly bannerIds: readonly number[]
  /** Unix milliseconds: whole minutes of [from, to). */
  readonly from: number
  readonly to: number
  /** The clicks of a banner in a minute; 0: none. */
  readonly countOf: (bannerId: number, minute: number) => number
}

/** Writes counts as if they had been counted in their time. */
export function fillHistory({ folder, bannerIds, from, to, countOf }: History): void {
  using database = new DatabaseSync(join(folder, 'tallymark.sqlite'), { timeout: 30_000 })
  database.function('count_of', (banner, minute) =>
    countOf(Number(banner), Number(minute) * MINUTE_MS),
  )
  database.exec('begin immediate')
  const insert = database.prepare(
    `with recursive minutes (minute) as (
       select ?1 union all select minute + 1 from minutes where minute + 1 < ?2
     ), counted (minute, count) as materialized (select minute, count_of(?3, minute) from minutes)
     insert into minute_counts (banner_id, tally, minute, count)
     select ?3, 1, minute, count from counted where count > 0`,
  )
  for (const id of bannerIds)
    insert.run(Math.floor(from / MINUTE_MS), Math.ceil(to / MINUTE_MS), id)
  database.exec(
    `delete from quarter_counts; delete from day_counts;
     insert into quarter_counts select banner_id, tally, minute / 15, sum(count)
       from minute_counts group by 1, 2, 3;
     insert into day_counts select banner_id, tally, quarter / 96, sum(count)
       from quarter_counts group by 1, 2, 3;
     commit`,
  )
}
