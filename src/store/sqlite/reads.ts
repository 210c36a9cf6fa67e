// Questions to the counts. Each is answered from one snapshot, with what is not merged yet.
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import type { Tally } from '../../click.ts'
import { MINUTE_MS } from '../../minute.ts'
import type { BannerTotal, Delta, RecentCount, Series, Slice } from '../count-store.ts'
import { addLatest } from '../latest.ts'
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

/** One banner's rows of all slices, in time order. */
export function readSeries(
  database: DatabaseSync,
  call: { bannerId: number; tally: Tally; slices: readonly Slice[] },
): Series {
  const at: number[] = []
  const count: number[] = []
  const latest = snapshot(database, () => {
    for (const slice of call.slices) readMerged(database, call, slice, { at, count })
    return unmergedOf(database, call)
  })
  const merged = { at: Float64Array.from(at), count: Float64Array.from(count) }
  return addLatest(merged, latest, call.slices)
}

/** Appends a slice's rows. As JSON: a row as an object took 7 times as long. */
function readMerged(
  database: DatabaseSync,
  { bannerId, tally }: { bannerId: number; tally: Tally },
  { resolution, from, to }: Slice,
  rows: { readonly at: number[]; readonly count: number[] },
): void {
  const { table, column, unitMs } = TABLES[resolution]
  const row = database
    .prepare(
      `select json_group_array(slot) as slots, json_group_array(count) as counts from (
         select ${column} as slot, count from ${table}
         where banner_id = ? and tally = ? and ${column} >= ? and ${column} < ? order by ${column})`,
    )
    .get(bannerId, codeOf(tally), from / unitMs, to / unitMs)
  for (const slot of numbersOf(row?.['slots'])) rows.at.push(slot * unitMs)
  for (const count of numbersOf(row?.['counts'])) rows.count.push(count)
}

function numbersOf(json: SQLOutputValue | undefined): number[] {
  return JSON.parse(String(json)) as number[] // made by json_group_array of an integer column
}

/** The deltas of the latest batches, of one tally and of one banner or all. */
function unmergedOf(
  database: DatabaseSync,
  wanted: { readonly bannerId?: number; readonly tally: Tally },
): Delta[] {
  const found: Delta[] = []
  for (const row of database.prepare('select deltas from unmerged').iterate()) {
    for (const delta of unpackDeltas(blobOf(row['deltas']))) {
      if (delta.tally !== wanted.tally) continue
      if (wanted.bannerId === undefined || wanted.bannerId === delta.bannerId) found.push(delta)
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
  { tally, slices }: { tally: Tally; slices: readonly Slice[] },
): BannerTotal[] {
  return snapshot(database, () => {
    const totalOf = mergedTotals(database, tally, slices)
    for (const delta of unmergedOf(database, { tally })) {
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

/** All banners' rows of the minutes from `since` on. */
export function readRecent(
  database: DatabaseSync,
  { tally, since }: { tally: Tally; since: number },
): RecentCount[] {
  const counts = new Map<string, RecentCount>()
  const add = ({ bannerId, minute, count }: RecentCount): void => {
    const slot = `${bannerId} ${minute}`
    counts.set(slot, { bannerId, minute, count: count + (counts.get(slot)?.count ?? 0) })
  }
  snapshot(database, () => {
    const rows = database
      .prepare('select banner_id, minute, count from minute_counts where minute >= ? and tally = ?')
      .iterate(since / MINUTE_MS, codeOf(tally))
    for (const row of rows) {
      const minute = Number(row['minute']) * MINUTE_MS
      add({ bannerId: Number(row['banner_id']), minute, count: Number(row['count']) })
    }
    for (const delta of unmergedOf(database, { tally })) if (delta.minute >= since) add(delta)
  })
  return [...counts.values()].toSorted((a, b) => a.minute - b.minute || a.bannerId - b.bannerId)
}
