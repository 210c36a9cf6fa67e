import { floorTo } from '../minute.ts'
import type { Delta, Series, Slice } from './count-store.ts'
import { TABLES } from './rows.ts'

/** Counts of one banner and tally that are not merged yet; `minute` in Unix milliseconds. */
export type Latest = Pick<Delta, 'minute' | 'count'>

/** The merged rows of slices, in time order, with what is not merged added to their slots. */
export function addLatest(
  { at, count }: Series,
  latest: readonly Latest[],
  slices: readonly Slice[],
): Series {
  return addSums({ at, count }, bySlot(latest, slices))
}

/** Adds to the rows of an ordered column `at`, in place, or where rows are missing in new columns. */
export function addSums({ at, count }: Series, sums: ReadonlyMap<number, number>): Series {
  const missing = new Map<number, number>()
  for (const [slot, extra] of sums) {
    const index = indexOf(at, slot)
    if (at[index] === slot) count[index] = (count[index] ?? 0) + extra
    else missing.set(slot, extra)
  }
  if (missing.size === 0) return { at, count }
  const rows = Array.from(at, (slot, index) => [slot, count[index] ?? 0] as const)
  const all = [...rows, ...missing].toSorted(([a], [b]) => a - b)
  return {
    at: Float64Array.from(all, ([slot]) => slot),
    count: Float64Array.from(all, ([, sum]) => sum),
  }
}

/** Sums by the slots of the slices that hold them; there are many deltas of few minutes. */
function bySlot(latest: readonly Latest[], slices: readonly Slice[]): Map<number, number> {
  const minutes = new Map<number, number>()
  for (const { minute, count } of latest) minutes.set(minute, (minutes.get(minute) ?? 0) + count)
  const slots = new Map<number, number>()
  for (const [minute, count] of minutes) {
    const slice = slices.find(({ from, to }) => from <= minute && minute < to)
    if (slice === undefined) continue
    const slot = floorTo(minute, TABLES[slice.resolution].unitMs)
    slots.set(slot, (slots.get(slot) ?? 0) + count)
  }
  return slots
}

/** Where `slot` is, or would be. */
function indexOf(at: Float64Array, slot: number): number {
  let low = 0
  let high = at.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((at[middle] ?? 0) < slot) low = middle + 1
    else high = middle
  }
  return low
}
