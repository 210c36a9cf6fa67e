// Questions to the counts. Each is answered from one snapshot, with what is not merged yet.
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { Tally } from '../../click.ts'
import { MINUTE_MS } from '../../minute.ts'
import type {
  BannerTotal,
  Delta,
  MinuteCounts,
  Minutes,
  Resolution,
  Series,
  Slice,
} from '../count-store.ts'
import { slicesKept } from '../kept-minutes.ts'
import { addLatest, addSums } from '../latest.ts'
import { codeOf, TABLES } from '../rows.ts'
import { transaction } from './connection.ts'
import { blobOf, unpackDeltas } from './packed.ts'

/** Deferred: the snapshot is taken by the first statement and held to the last. */
export function snapshot<T>(database: DatabaseSync, read: () => T): T {
  return transaction(database, 'begin', read)
}

/** The last instant of the owner's clock that was stored; 0 if there is none. */
export function storedInstant(database: DatabaseSync): number {
  const row = database.prepare('select max(instant) as instant from positions').get()
  return Number(row?.['instant'] ?? 0)
}

export interface SeriesCall {
  readonly bannerIds: readonly number[]
  readonly tally: Tally
  readonly slices: readonly Slice[]
}

export interface RecentCall {
  readonly tally: Tally
  readonly minutes: Minutes
}

/** Rows, and the instant from which on minutes are kept, from one snapshot. */
interface Kept<T> {
  readonly rows: T
  readonly minutesFrom: number
}

/** Reads by slices that take the minutes which the snapshot has. */
function keptSnapshot<T>(
  database: DatabaseSync,
  slices: readonly Slice[],
  read: (kept: readonly Slice[]) => T,
): Kept<T> {
  return snapshot(database, () => {
    const row = database.prepare('select minutes_from from retention').get()
    const minutesFrom = Number(row?.['minutes_from'] ?? 0) * MINUTE_MS
    return { rows: read(slicesKept(slices, minutesFrom)), minutesFrom }
  })
}

/** The rows of all slices of each banner, in time order. */
export function readSeries(
  database: DatabaseSync,
  { bannerIds, tally, slices: asked }: SeriesCall,
): Kept<Series[]> {
  return keptSnapshot(database, asked, (slices) => {
    const wanted = new Set(bannerIds)
    const latest = Map.groupBy(
      unmergedOf(database, tally, (bannerId) => wanted.has(bannerId)),
      ({ bannerId }) => bannerId,
    )
    const statements = rowsStatements(database)
    return bannerIds.map((bannerId) => {
      const rows = { at: new Array<number>(), count: new Array<number>() }
      for (const slice of slices) readMerged(statements, { bannerId, tally }, slice, rows)
      const merged = { at: Float64Array.from(rows.at), count: Float64Array.from(rows.count) }
      return addLatest(merged, latest.get(bannerId) ?? [], slices)
    })
  })
}

/** Prepared once for all banners and slices, of which there may be thousands. */
function rowsStatements(database: DatabaseSync): (resolution: Resolution) => StatementSync {
  const prepared = new Map<Resolution, StatementSync>()
  return (resolution) => {
    const { table, column } = TABLES[resolution]
    const statement =
      prepared.get(resolution) ??
      database.prepare(
        `select json_group_array(slot) as slots, json_group_array(count) as counts from (
           select ${column} as slot, count from ${table}
           where banner_id = ? and tally = ? and ${column} >= ? and ${column} < ? order by ${column})`,
      )
    prepared.set(resolution, statement)
    return statement
  }
}

/** Appends a slice's rows. As JSON: a row as an object took 7 times as long. */
function readMerged(
  statements: (resolution: Resolution) => StatementSync,
  { bannerId, tally }: { bannerId: number; tally: Tally },
  { resolution, from, to }: Slice,
  rows: { readonly at: number[]; readonly count: number[] },
): void {
  const { unitMs } = TABLES[resolution]
  const row = statements(resolution).get(bannerId, codeOf(tally), from / unitMs, to / unitMs)
  for (const slot of numbersOf(row?.['slots'])) rows.at.push(slot * unitMs)
  for (const count of numbersOf(row?.['counts'])) rows.count.push(count)
}

function numbersOf(json: SQLOutputValue | undefined): number[] {
  return JSON.parse(String(json)) as number[] // made by json_group_array of an integer column
}

/** The deltas of the latest batches, of one tally and of all banners or those that are wanted. */
function unmergedOf(
  database: DatabaseSync,
  tally: Tally,
  isWanted: (bannerId: number) => boolean = () => true,
): Delta[] {
  const found: Delta[] = []
  for (const row of database.prepare('select deltas from unmerged').iterate()) {
    for (const delta of unpackDeltas(blobOf(row['deltas']))) {
      if (delta.tally === tally && isWanted(delta.bannerId)) found.push(delta)
    }
  }
  return found
}

function isIn({ from, to }: Slice, { minute }: Delta): boolean {
  return from <= minute && minute < to
}

/** Each banner's sum over all slices, most first. */
export function readTotals(
  database: DatabaseSync,
  { tally, slices: asked }: { tally: Tally; slices: readonly Slice[] },
): Kept<BannerTotal[]> {
  return keptSnapshot(database, asked, (slices) => {
    const totalOf = mergedTotals(database, tally, slices)
    for (const delta of unmergedOf(database, tally)) {
      if (!slices.some((slice) => isIn(slice, delta))) continue
      totalOf.set(delta.bannerId, (totalOf.get(delta.bannerId) ?? 0) + delta.count)
    }
    const banner = database.prepare('select name from banners where id = ?')
    return [...totalOf]
      .map(([bannerId, total]) => {
        const name = String(banner.get(bannerId)?.['name'] ?? '')
        return { bannerId, name, total }
      })
      .toSorted((a, b) => b.total - a.total || a.bannerId - b.bannerId)
  })
}

function mergedTotals(
  database: DatabaseSync,
  tally: Tally,
  slices: readonly Slice[],
): Map<number, number> {
  const totalOf = new Map<number, number>()
  for (const { resolution, from, to } of slices) {
    const { table, column, unitMs } = TABLES[resolution]
    const rows = database
      .prepare(
        `select banner_id, sum(count) as total from ${table}
         where tally = ? and ${column} >= ? and ${column} < ? group by banner_id`,
      )
      .iterate(codeOf(tally), from / unitMs, to / unitMs)
    for (const row of rows) {
      const bannerId = Number(row['banner_id'])
      totalOf.set(bannerId, (totalOf.get(bannerId) ?? 0) + Number(row['total']))
    }
  }
  return totalOf
}

/** All banners' counts of each minute of a range. As JSON, for the reason that `readMerged` has. */
export function readRecent(
  database: DatabaseSync,
  { tally, minutes: { from, to } }: RecentCall,
): MinuteCounts[] {
  return snapshot(database, () => {
    const counts = new Map<number, MinuteCounts>()
    const rows = database
      .prepare(
        `select minute, json_group_array(banner_id) as ids, json_group_array(count) as counts from (
           select minute, banner_id, count from minute_counts
           where minute >= ? and minute < ? and tally = ? order by minute, banner_id)
         group by minute`,
      )
      .iterate(from / MINUTE_MS, to / MINUTE_MS, codeOf(tally))
    for (const row of rows) {
      const minute = Number(row['minute']) * MINUTE_MS
      const bannerId = Float64Array.from(numbersOf(row['ids']))
      counts.set(minute, { minute, bannerId, count: Float64Array.from(numbersOf(row['counts'])) })
    }
    for (const [minute, sums] of unmergedSums(database, tally, { from, to })) {
      const { bannerId: at, count } = counts.get(minute) ?? NO_COUNTS
      const all = addSums({ at, count }, sums)
      counts.set(minute, { minute, bannerId: all.at, count: all.count })
    }
    return [...counts.values()].toSorted((a, b) => a.minute - b.minute)
  })
}

const NO_COUNTS = { bannerId: new Float64Array(), count: new Float64Array() }

/** What is not merged of each minute in a range, by banner. */
function unmergedSums(
  database: DatabaseSync,
  tally: Tally,
  { from, to }: Minutes,
): Map<number, Map<number, number>> {
  const sumsOf = new Map<number, Map<number, number>>()
  for (const { minute, bannerId, count } of unmergedOf(database, tally)) {
    if (minute < from || minute >= to) continue
    const sums = sumsOf.get(minute) ?? new Map<number, number>()
    sumsOf.set(minute, sums.set(bannerId, (sums.get(bannerId) ?? 0) + count))
  }
  return sumsOf
}

export function countUnmerged(database: DatabaseSync): number {
  return Number(database.prepare('select count(*) as batches from unmerged').get()?.['batches'])
}
