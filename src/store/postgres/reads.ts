import type { Tally } from '../../click.ts'
import { MINUTE_MS } from '../../minute.ts'
import type { BannerTotal, RecentCount, Resolution, Series, Slice } from '../count-store.ts'
import { codeOf, TABLES } from '../rows.ts'
import type { Row, Statement } from './connections.ts'

// Every read is one statement, so one snapshot, and tells the instant that was read before it. It
// adds what is not merged yet. Rows come as JSON: parsed in one go, a tenth of the time of rows.

const RESOLUTIONS = ['minute', 'quarter', 'day'] as const satisfies Resolution[]

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

/** One banner's rows: `at` (in minutes) and `count` as arrays of equal length, in time order. */
export function readSeries(bannerId: number, tally: Tally, slices: readonly Slice[]): Statement {
  return {
    name: 'series',
    text: SERIES,
    values: [...sliceColumns(slices), bannerId, codeOf(tally)],
  }
}

// The lateral limits keep each slice one walk along the index, whatever the planner believes.
const SERIES = `
  with ${SLICES}, latest as (
    select minute, sum(count) as count from unmerged_deltas
    where banner_id = $5 and tally = $6 group by minute
  ), points as (
    ${RESOLUTIONS.map(
      (resolution, index) => `
    select slot * minutes as at, count from slices
    cross join lateral (
      select ${TABLES[resolution].column} as slot, count from ${TABLES[resolution].table}
      where banner_id = $5 and tally = $6
        and ${TABLES[resolution].column} >= lower and ${TABLES[resolution].column} < upper
      offset 0
    ) as merged
    where resolution = ${index}
    union all`,
    ).join('')}
    select minute / minutes * minutes, count from slices
    join latest on minute >= lower * minutes and minute < upper * minutes
  ), sums as (
    select at, sum(count) as count from points group by at
  )
  select shared_instant()::float8 as instant,
    coalesce(json_agg(at order by at), '[]') as at,
    coalesce(json_agg(count order by at), '[]') as count
  from sums`

export function seriesOf(row: Row | undefined): Series {
  const at = row?.['at'] as number[] // both made by json_agg above
  const count = row?.['count'] as number[]
  return {
    at: Float64Array.from(at, (minute) => minute * MINUTE_MS),
    count: Float64Array.from(count),
  }
}

/** Each banner's total: `totals` as an array of BannerTotal. */
export function readTotals(tally: Tally, slices: readonly Slice[]): Statement {
  return { name: 'totals', text: TOTALS, values: [...sliceColumns(slices), codeOf(tally)] }
}

const TOTALS = `
  with ${SLICES}, parts as (
    ${RESOLUTIONS.map(
      (resolution, index) => `
    select banner_id, total from slices
    cross join lateral (
      select banner_id, sum(count) as total from ${TABLES[resolution].table}
      where tally = $5
        and ${TABLES[resolution].column} >= lower and ${TABLES[resolution].column} < upper
      group by banner_id
    ) as merged
    where resolution = ${index}
    union all`,
    ).join('')}
    select banner_id, count from unmerged_deltas
    join slices on minute >= lower * minutes and minute < upper * minutes
    where tally = $5
  ), sums as (
    select banner_id, sum(total) as total from parts group by banner_id
  )
  select shared_instant()::float8 as instant,
    coalesce(
      json_agg(
        json_build_object('bannerId', banner_id, 'name', coalesce(name, ''), 'total', total)
        order by total desc, banner_id
      ),
      '[]'
    ) as totals
  from sums left join banners on id = banner_id`

export function totalsOf(row: Row | undefined): BannerTotal[] {
  return row?.['totals'] as BannerTotal[] // made by json_build_object above
}

/** All banners' counts from a minute on: `counts` as an array of [banner, minute, count]. */
export function readRecent(tally: Tally, since: number): Statement {
  return {
    name: 'recent',
    text: `
      with parts as (
        select banner_id, minute, count from minute_counts where minute >= $1 and tally = $2
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
