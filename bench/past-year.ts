// A year of clicks in every minute, in the tables where the service merges them.
import { DatabaseSync } from 'node:sqlite'
import { runSql } from '../test/support/database.ts'
import { say } from './report.ts'

export const BANNERS = 100
export const DAYS = 365
export const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000
export const LAST_DAY = Math.floor(Date.now() / DAY_MS) * DAY_MS
export const FIRST_DAY = LAST_DAY - DAYS * DAY_MS

/** Of the counts, and of those by minute alone. */
export interface Bytes {
  readonly all: number
  readonly minutes: number
}

export function fillSqlite(file: string): Bytes {
  using database = new DatabaseSync(file)
  database.exec(
    'pragma synchronous = off; pragma cache_size = -1000000; drop index minute_counts_by_minute',
  )
  const minutes = database.prepare(
    `with recursive minutes (minute) as (
       select ?1 union all select minute + 1 from minutes where minute + 1 < ?2
     )
     insert into minute_counts (banner_id, tally, minute, count)
     select ?3, 1, minute, 1 + abs(random()) % 9 from minutes`,
  )
  for (let banner = 1; banner <= BANNERS; banner += 1) {
    minutes.run(FIRST_DAY / MINUTE_MS, LAST_DAY / MINUTE_MS, banner)
  }
  say('made', 'minutes')
  database.exec(
    `insert into quarter_counts select banner_id, tally, minute / 15, sum(count)
       from minute_counts group by 1, 2, 3;
     insert into day_counts select banner_id, tally, quarter / 96, sum(count)
       from quarter_counts group by 1, 2, 3;
     create index minute_counts_by_minute on minute_counts (minute);
     pragma wal_checkpoint(truncate)`,
  )
  say('made', 'the year of the embedded store')
  const size = database.prepare(
    `select sum(pgsize) as bytes from dbstat where aggregate = true and name like ?`,
  )
  const bytesOf = (tables: string): number => Number(size.get(tables)?.['bytes'])
  return { all: bytesOf('%_counts%'), minutes: bytesOf('minute_counts%') }
}

/** In the order in which rows would have come: those of an hour or day side by side. */
export async function fillPostgres(url: string): Promise<Bytes> {
  for (const statement of [
    `insert into minute_counts (banner_id, tally, hour, counts)
       select banner_id, 1, hour, (
         select array_agg(1 + floor(random() * 9)) from generate_series(1, 60 + 0 * hour * banner_id)
       )
       from generate_series(${FIRST_DAY / HOUR_MS}, ${LAST_DAY / HOUR_MS - 1}) as hour,
         generate_series(1, ${BANNERS}) as banner_id
       order by hour, banner_id`,
    `insert into quarter_counts (banner_id, tally, day, counts)
       select banner_id, tally, hour / 24 as day, array_agg(quarter order by hour, place)
       from minute_counts cross join lateral (
         select place, (
           select sum(count) from unnest(counts[place * 15 + 1:place * 15 + 15]) as count
         ) as quarter
         from generate_series(0, 3) as place
       ) as quarters
       group by banner_id, tally, hour / 24 order by day, banner_id`,
    `insert into day_counts (banner_id, tally, day, count)
       select banner_id, tally, day, (select sum(count) from unnest(counts) as count)
       from quarter_counts order by day, banner_id`,
    `vacuum analyze`,
    `checkpoint`,
  ]) {
    await runSql(url, statement)
  }
  say('made', 'the year of Postgres')
  const bytesOf = async (tables: string): Promise<number> => {
    const [row] = await runSql(
      url,
      `select sum(pg_total_relation_size(oid))::float8 as bytes from pg_class
       where relkind = 'r' and relname like $1`,
      [tables],
    )
    return Number(row?.['bytes'])
  }
  return { all: await bytesOf('%\\_counts'), minutes: await bytesOf('minute\\_counts') }
}
