import type { Tally } from '../../click.ts'
import { MINUTE_MS } from '../../minute.ts'
import type {
  BannerTotal,
  MinuteCounts,
  Minutes,
  Resolution,
  Series,
  Slice,
} from '../count-store.ts'
import { addLatest } from '../latest.ts'
import { codeOf, TABLES } from '../rows.ts'
import { DEAD_LETTERS_TOLD_MAX } from '../store-figures.ts'
import type { Row, Statement } from './connections.ts'

// Every read is one statement, so one snapshot, and tells the instant that was read before it. It
// has what is not merged yet. Rows come as JSON, which is parsed in one go.

/**
 * For the clock, and until when the answer is complete, and the click log alone, and from when on minutes are
 * kept: told by the snapshot that has the counts.
 */
const INSTANTS = `(select minutes_from from retention) as minutes_from,
    shared_instant()::float8 as instant,
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
    select * from unnest($1::int[], $2::int[], $3::int[], $4::int[]) with ordinality
      as slice (resolution, lower, upper, minutes, slice_place)
  )`

/**
 * Some counts of a banner from the slot `first` on, which may reach beyond their slice; the first slice
 * has the place 1.
 */
type Stretch = [bannerId: number, slicePlace: number, first: number, counts: number[]]

/**
 * The banners' rows: `merged` as an array of Stretch, each banner's in time order; and what is not
 * merged, `latest`, as an array of [banner, minute, count].
 */
export function readSeries(
  bannerIds: readonly number[],
  tally: Tally,
  slices: readonly Slice[],
): Statement {
  return {
    name: 'series',
    text: SERIES,
    values: [...sliceColumns(slices), bannerIds, codeOf(tally)],
  }
}

// Laterally, each slice of a banner is a walk of its own along the primary key. The ids are materialized
// to hide how many there are: a plan for one looks so much better than the plan for any number that
// Postgres would plan anew each time, for 0.4 of 1.0 ms.
const SERIES = `
  with ${SLICES}, asked as materialized (
    select $5::int[] as ids
  ), merged as (
    ${seriesOfPacked('minute')}
    union all
    ${seriesOfPacked('quarter')}
    union all
    select banner_id, slice_place, day as slot, json_build_array(count) as counts
    from slices cross join asked
    cross join lateral (
      select banner_id, day, count from day_counts
      where banner_id = any(ids) and tally = $6 and day >= lower and day < upper
      offset 0
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf('day')}
  ), latest as (
    select banner_id, minute, sum(count) as count from unmerged_deltas cross join asked
    where banner_id = any(ids) and tally = $6 group by banner_id, minute
  )
  select ${INSTANTS},
    coalesce(
      json_agg(json_build_array(banner_id, slice_place, slot, counts) order by slice_place, slot),
      '[]'
    ) as merged,
    (
      select coalesce(json_agg(json_build_array(banner_id, minute, count)), '[]') from latest
    ) as latest
  from merged`

function seriesOfPacked(resolution: keyof typeof PACKED): string {
  const { table, column, slots } = PACKED[resolution]
  return `select banner_id, slice_place, ${column} * ${slots} as slot, to_json(counts) as counts
    from slices cross join asked
    cross join lateral (
      select banner_id, ${column}, counts from ${table}
      where banner_id = any(ids) and tally = $6
        and ${column} >= lower / ${slots} and ${column} <= (upper - 1) / ${slots}
      offset 0
    ) as of_slice
    where resolution = ${RESOLUTIONS.indexOf(resolution)}`
}

export function seriesOf(
  row: Row | undefined,
  bannerIds: readonly number[],
  slices: readonly Slice[],
): Series[] {
  // Both made by json_build_array above.
  const merged = Map.groupBy(row?.['merged'] as Stretch[], ([bannerId]) => bannerId)
  const latest = Map.groupBy(
    row?.['latest'] as [bannerId: number, minute: number, count: number][],
    ([bannerId]) => bannerId,
  )
  return bannerIds.map((bannerId) =>
    addLatest(
      mergedSeries(merged.get(bannerId) ?? [], slices),
      (latest.get(bannerId) ?? []).map(([, minute, count]) => ({
        minute: minute * MINUTE_MS,
        count,
      })),
      slices,
    ),
  )
}

/** Half a million counts take 3 to 7 ms of the event loop; arrays that grow and iterators took 18 to 30. */
function mergedSeries(stretches: readonly Stretch[], slices: readonly Slice[]): Series {
  const rowsMax = stretches.reduce((sum, [, , , counts]) => sum + counts.length, 0)
  const at = new Float64Array(rowsMax)
  const count = new Float64Array(rowsMax)
  let rows = 0
  for (const [, slicePlace, first, counts] of stretches) {
    const slice = slices[slicePlace - 1]
    if (slice === undefined) continue // the database was given these slices
    const { from, to } = slice
    const unitMs = unitOf(slice)
    for (let index = 0; index < counts.length; index += 1) {
      const instant = (first + index) * unitMs
      if (counts[index] === 0 || instant < from || instant >= to) continue
      at[rows] = instant
      count[rows] = counts[index] ?? 0
      rows += 1
    }
  }
  return { at: at.subarray(0, rows), count: count.subarray(0, rows) }
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

/** All banners' counts of a range: a row a minute, whose ids and counts are arrays of equal length. */
export function readRecent(tally: Tally, { from, to }: Minutes): Statement {
  return {
    name: 'recent',
    text: `
      with parts as (
        select banner_id, hour * 60 + place - 1 as minute, count
        from minute_counts cross join lateral unnest(counts) with ordinality as each (count, place)
        where hour >= $1 / 60 and hour <= ($2 - 1) / 60
          and hour * 60 + place > $1 and hour * 60 + place <= $2 and tally = $3 and count > 0
        union all
        select banner_id, minute, count from unmerged_deltas
        where minute >= $1 and minute < $2 and tally = $3
      ), sums as (
        select minute, banner_id, sum(count) as count from parts group by minute, banner_id
      )
      select shared_instant()::float8 as instant, minute::float8,
        to_json(array_agg(banner_id order by banner_id)) as ids,
        to_json(array_agg(count order by banner_id)) as counts
      from sums group by minute order by minute`,
    values: [from / MINUTE_MS, to / MINUTE_MS, codeOf(tally)],
  }
}

export function recentOf(row: Row): MinuteCounts {
  return {
    minute: Number(row['minute']) * MINUTE_MS,
    // Both made by to_json above.
    bannerId: Float64Array.from(row['ids'] as number[]),
    count: Float64Array.from(row['counts'] as number[]),
  }
}

/** `unmerged_batches` and `dead_letters`, with the instants of a read. */
export function readFigures(): Statement {
  return {
    name: 'figures',
    text: `
      select ${INSTANTS}, count(*)::float8 as unmerged_batches,
        (
          select count(*) from (select from dead_letters limit ${DEAD_LETTERS_TOLD_MAX}) as kept
        )::float8 as dead_letters
      from merges
      join unmerged on unmerged.source = merges.source and unmerged.position >= merges.next`,
  }
}

/** Walks the files of the database, of which there are some hundred. */
export function readBytes(): Statement {
  return { text: 'select pg_database_size(current_database())::float8 as bytes' }
}
