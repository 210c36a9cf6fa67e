// All that a store holds of an installation, merged or not, in one form for every store.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { unpackDeltas } from '../../src/store/sqlite/packed.ts'
import { runSql } from './database.ts'

export interface Contents {
  readonly banners: readonly string[]
  /** `banner/slot`, to count. */
  readonly minutes: Readonly<Record<string, number>>
  readonly quarters: Readonly<Record<string, number>>
  readonly days: Readonly<Record<string, number>>
  /** `banner/hash/instant` */
  readonly keys: readonly string[]
  readonly nextId: number
}

/** `store` is a folder or a postgresql:// URL. */
export function contentsOf(store: string): Promise<Contents> {
  return store.startsWith('postgresql://') ? ofPostgres(store) : Promise.resolve(ofFolder(store))
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

type Counts = Record<string, number>

function add(counts: Counts, bannerId: unknown, slot: number, count: unknown): void {
  const key = `${String(bannerId)}/${slot}`
  counts[key] = (counts[key] ?? 0) + Number(count)
}

const BANNERS = `select id || '|' || name || '|' || coalesce(url, '') || '|' || status || '|' || created_at as line
  from banners order by id`

/** From one snapshot, so beside a service too. */
function ofFolder(folder: string): Contents {
  using database = new DatabaseSync(join(folder, 'tallymark.sqlite'), {
    timeout: 10_000,
    readOnly: true,
  })
  database.exec('begin')
  const tableOf = (table: string, column: string): Counts => {
    const counts: Counts = {}
    for (const row of database
      .prepare(`select banner_id, ${column} as slot, count from ${table}`)
      .iterate())
      add(counts, row['banner_id'], Number(row['slot']), row['count'])
    return counts
  }
  const minutes = tableOf('minute_counts', 'minute')
  const quarters = tableOf('quarter_counts', 'quarter')
  const days = tableOf('day_counts', 'day')
  for (const { deltas } of database.prepare('select deltas from unmerged').all()) {
    for (const { bannerId, minute, count } of unpackDeltas(deltas as Uint8Array)) {
      addMinute({ minutes, quarters, days }, bannerId, minute / 60_000, count)
    }
  }
  return {
    banners: database
      .prepare(BANNERS)
      .all()
      .map(({ line }) => String(line)),
    minutes,
    quarters,
    days,
    keys: database
      .prepare(
        `select banner_id || '/' || lower(hex(hash)) || '/' || counted_at as line from keys order by 1`,
      )
      .all()
      .map(({ line }) => String(line)),
    nextId: Number(database.prepare('select next_id from registry').get()?.['next_id']),
  }
}

function addMinute(
  { minutes, quarters, days }: { minutes: Counts; quarters: Counts; days: Counts },
  bannerId: unknown,
  minute: number,
  count: unknown,
): void {
  add(minutes, bannerId, minute, count)
  add(quarters, bannerId, Math.floor(minute / 15), count)
  add(days, bannerId, Math.floor(minute / 1_440), count)
}

async function ofPostgres(url: string): Promise<Contents> {
  const [row] = await runSql(
    url,
    `select
       (select json_agg(array[banner_id, hour * 60 + place - 1, count]) from minute_counts,
          unnest(counts) with ordinality as each (count, place) where count > 0) as minutes,
       (select json_agg(array[banner_id, day * 96 + place - 1, count]) from quarter_counts,
          unnest(counts) with ordinality as each (count, place) where count > 0) as quarters,
       (select json_agg(array[banner_id, day, count]) from day_counts) as days,
       (select json_agg(array[banner_id, minute, count]) from unmerged_deltas) as latest,
       (select json_agg(line) from (${BANNERS}) as banners) as banners,
       (select json_agg(line order by line collate "C") from (
          select banner_id || '/' || encode(hash, 'hex') || '/' || counted_at as line from keys
        ) as keys) as keys,
       (select next_id from registry)::float8 as next_id`,
  )
  const tableOf = (name: string): Counts => {
    const counts: Counts = {}
    for (const [bannerId, slot = 0, count] of rowsOf(row?.[name]))
      add(counts, bannerId, slot, count)
    return counts
  }
  const tables = {
    minutes: tableOf('minutes'),
    quarters: tableOf('quarters'),
    days: tableOf('days'),
  }
  for (const [bannerId, minute = 0, count] of rowsOf(row?.['latest'])) {
    addMinute(tables, bannerId, minute, count)
  }
  return {
    ...tables,
    banners: (row?.['banners'] ?? []) as string[], // made by json_agg of text
    keys: (row?.['keys'] ?? []) as string[], // as above
    nextId: Number(row?.['next_id']),
  }
}

function rowsOf(json: unknown): readonly (readonly number[])[] {
  return (json ?? []) as number[][] // made by json_agg of arrays of numbers
}
