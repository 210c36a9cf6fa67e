import type { Tally } from '../../click.ts'
import { MINUTE_MS } from '../../minute.ts'
import type { BannerTotal, RecentCount, Resolution, Series, Slice } from '../count-store.ts'
import { addLatest } from '../latest.ts'
import { codeOf, TABLES } from '../rows.ts'
import type { Row, Statement } from './connections.ts'

// Every read is one statement, so one snapshot, and tells the instant that was read before it. It
// has what is not merged yet. Rows come as JSON, which is parsed in one go.

/**
 * For the clock, and until when the answer is complete, and the click log alone: told by the snapshot that
 * has the counts.
 */
const INSTANTS = `shared_instant()::float8 as instant,
    (select complete_until())::float8 as complete_until,
    (select min(complete_until) from partitions where is_open)::float8 as log_complete_until`

const RESOLUTIONS = ['minute', 'quarter', 'day'] as const satisfies Resolution[]

/** Resolutions whose rows hold several counts: how many, and by what column the rows go. */
const PACKED = {
  minute: { table: 'minute_counts', column: 'hour', slots: 60 },
  quarter: { table: 'quarter_counts', column: 'day', slots: 96 },
} as const

/** `$1` and the following: slices as columns of resolution, from, to and unit, the ends in units. */
function sliceColumns(slices: readonly Slice[]): unknown[] {
  return [
    slices.map(({ resolution }) => RESOLUTIONS.indexOf(resolution)),
    slices.map((slice) => slice.from / unitOf(slice)),
    slices.map((slice) => slice.to / unitOf(slice)),
    slices.map((slice) => unitOf(slice) / MINUTE_MS),
  ]
}

function unitOf({ resolution }: Slice): number {
  return TABLES[resolution].unitMs
}

const SLICES = `slices as (
    select * from unnest($1::int[], $2::int[], $3::int[], $4::int[])
      as slice (resolution, lower, upper, minutes)
  )`

/** Some counts of a series: of slots of `minutes` each, of which those in [from, to) are wanted. */
type Stretch = [from: number, to: number, first: number, minutes: number, counts: number[]]

/**
 * One banner's rows: `merged` as an array of Stretch, in time order, its instants in minutes; and
 * what is not merged, `latest`, as an array of [minute, count].
 */
export function readSeries(bannerId: number, tally: Tally, slices: readonly Slice[]): Statement {
  return {
    name: 'series',
    text: SERIES,
    values: [...sliceColumns(slices), bannerId, codeOf(tally)],
  }
}

// Laterally, each slice is a walk of its own along the primary key.
const SERIES = `
  with ${SLICES}, merged as (
    ${seriesOfPacked('minute')}
    union all
    ${seriesOfPacked('quarter')}
    union all
    select lower, upper, minutes, day as slot, json_build_array(count) as counts from slices
    cross join lateral (
      select day, count from day_counts
      where banner_id = $5 and tally = $6 and day >= lower and day < upper
      offset 0
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf('day')}
  ), latest as (
    select minute, sum(count) as count from unmerged_deltas
    where banner_id = $5 and tally = $6 group by minute
  )
  select ${INSTANTS},
    coalesce(
      json_agg(
        json_build_array(lower * minutes, upper * minutes, slot * minutes, minutes, counts)
        order by lower * minutes, slot
      ),
      '[]'
    ) as merged,
    (select coalesce(json_agg(json_build_array(minute, count)), '[]') from latest) as latest
  from merged`

function seriesOfPacked(resolution: keyof typeof PACKED): string {
  const { table, column, slots } = PACKED[resolution]
  return `select lower, upper, minutes, ${column} * ${slots} as slot, to_json(counts) as counts
    from slices
    cross join lateral (
      select ${column}, counts from ${table}
      where banner_id = $5 and tally = $6
        and ${column} >= lower / ${slots} and ${column} <= (upper - 1) / ${slots}
      offset 0
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf(resolution)}`
}

export function seriesOf(row: Row | undefined, slices: readonly Slice[]): Series {
  const merged = row?.['merged'] as Stretch[] // both made by json_build_array above
  const latest = row?.['latest'] as [number, number][]
  const at: number[] = []
  const counts: number[] = []
  for (const [from, to, first, minutes, some] of merged) {
    for (const [place, count] of some.entries()) {
      const minute = first + place * minutes
      if (count === 0 || minute < from || minute >= to) continue
      at.push(minute * MINUTE_MS)
      counts.push(count)
    }
  }
  return addLatest(
    { at: Float64Array.from(at), count: Float64Array.from(counts) },
    latest.map(([minute, count]) => ({ minute: minute * MINUTE_MS, count })),
    slices,
  )
}

/** Each banner's total: `totals` as an array of BannerTotal. */
export function readTotals(tally: Tally, slices: readonly Slice[]): Statement {
  return { name: 'totals', text: TOTALS, values: [...sliceColumns(slices), codeOf(tally)] }
}

const TOTALS = `
  with ${SLICES}, parts as (
    ${totalsOfPacked('minute')}
    union all
    ${totalsOfPacked('quarter')}
    union all
    select banner_id, total from slices
    cross join lateral (
      select banner_id, sum(count) as total from day_counts
      where tally = $5 and day >= lower and day < upper
      group by banner_id
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf('day')}
    union all
    select banner_id, count from unmerged_deltas
    join slices on minute >= lower * minutes and minute < upper * minutes
    where tally = $5
  ), sums as (
    select banner_id, sum(total) as total from parts group by banner_id
  )
  select ${INSTANTS},
    coalesce(
      json_agg(
        json_build_object('bannerId', banner_id, 'name', coalesce(name, ''), 'total', total)
        order by total desc, banner_id
      ) filter (where total > 0),
      '[]'
    ) as totals
  from sums left join banners on id = banner_id`

function totalsOfPacked(resolution: keyof typeof PACKED): string {
  const { table, column, slots } = PACKED[resolution]
  return `select banner_id, total from slices
    cross join lateral (
      select banner_id, sum(count) as total from ${table}
      cross join lateral unnest(counts) with ordinality as each (count, place)
      where tally = $5
        and ${column} >= lower / ${slots} and ${column} <= (upper - 1) / ${slots}
        and ${column} * ${slots} + place > lower and ${column} * ${slots} + place <= upper
      group by banner_id
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf(resolution)}`
}

export function totalsOf(row: Row | undefined): BannerTotal[] {
  return row?.['totals'] as BannerTotal[] // made by json_build_object above
}

/** All banners' counts from a minute on: `counts` as an array of [banner, minute, count]. */
export function readRecent(tally: Tally, since: number): Statement {
  return {
    name: 'recent',
    text: `
      with parts as (
        select banner_id, hour * 60 + place - 1 as minute, count
        from minute_counts cross join lateral unnest(counts) with ordinality as each (count, place)
        where hour >= $1 / 60 and hour * 60 + place > $1 and tally = $2 and count > 0
        union all
        select banner_id, minute, count from unmerged_deltas where minute >= $1 and tally = $2
      ), sums as (
        select minute, banner_id, sum(count) as count from parts group by minute, banner_id
      )
      select shared_instant()::float8 as instant,
        coalesce(
          json_agg(json_build_array(banner_id, minute, count) order by minute, banner_id), '[]'
        ) as counts
      from sums`,
    values: [since / MINUTE_MS, codeOf(tally)],
  }
}

export function recentOf(row: Row | undefined): RecentCount[] {
  const counts = row?.['counts'] as [number, number, number][] // made by json_build_array above
  return counts.map(([bannerId, minute, count]) => ({
    bannerId,
    minute: minute * MINUTE_MS,
    count,
  }))
}
