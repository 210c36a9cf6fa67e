import { ceilTo, DAY_MS, floorTo, MINUTE_MS, QUARTER_MS } from '../minute.ts'
import type { Resolution, Series, Slice } from '../store/count-store.ts'
import type { Range } from './stats-query.ts'

/** How far the clocks of processes may be apart, in the judgement of `partial`. */
const CLOCK_MARGIN_MS = 1_000

/** From about here on, days inside a step are fewer rows than its quarters of an hour. */
const LONG_STEP_MS = 5 * DAY_MS

const COARSEST_FIRST: readonly (readonly [Resolution, number])[] = [
  ['day', DAY_MS],
  ['quarter', QUARTER_MS],
  ['minute', MINUTE_MS],
]

/**
 * Covers a range of whole minutes once, by as few rows as can be: whole UTC days, quarters of an
 * hour up to them, minutes up to those. In time order.
 */
export function slicesOf(range: Range, units = COARSEST_FIRST): Slice[] {
  const [[resolution, unitMs] = [], ...finer] = units
  if (resolution === undefined || unitMs === undefined || range.from >= range.to) return []
  const from = ceilTo(range.from, unitMs)
  const to = floorTo(range.to, unitMs)
  if (from >= to) return slicesOf(range, finer)
  return [
    ...slicesOf({ from: range.from, to: from }, finer),
    { resolution, from, to },
    ...slicesOf({ from: to, to: range.to }, finer),
  ]
}

/**
 * The rows that add up to every step: of the coarsest resolution whose rows never lie in two of
 * them. Long steps that are no whole UTC days take days inside and finer rows at their edges.
 */
export function slicesOfSteps(starts: readonly number[]): Slice[] {
  const range = { from: starts[0] ?? 0, to: starts.at(-1) ?? 0 }
  const [resolution] = COARSEST_FIRST.find(([, unitMs]) =>
    starts.every((start) => start % unitMs === 0),
  ) ?? ['minute']
  const isLong = range.to - range.from >= LONG_STEP_MS * (starts.length - 1)
  if (resolution === 'day' || !isLong) return [{ resolution, ...range }]
  return starts.slice(1).flatMap((to, index) => slicesOf({ from: starts[index] ?? to, to }))
}

/** How many rows of one banner the slices have at most. */
export function slotsOf(slices: readonly Slice[]): number {
  const units = new Map(COARSEST_FIRST)
  return slices.reduce(
    (sum, { resolution, from, to }) => sum + (to - from) / (units.get(resolution) ?? MINUTE_MS),
    0,
  )
}

/** Sums of rows in time order by the steps that hold them; steps without rows have 0. */
export function countsOfSteps(starts: readonly number[], { at, count }: Series): Float64Array {
  const counts = new Float64Array(Math.max(0, starts.length - 1))
  let step = 0
  for (let row = 0; row < at.length; row += 1) {
    while ((starts[step + 1] ?? Infinity) <= (at[row] ?? 0)) step += 1
    counts[step] = (counts[step] ?? 0) + (count[row] ?? 0)
  }
  return counts
}

/**
 * Whether an acknowledged click may still be added before `to`: one that was received before it
 * is acknowledged within the ack timeout, or never.
 */
export function isPartial(to: number, completeUntil: number, ackTimeoutMs: number): boolean {
  return completeUntil - ackTimeoutMs - CLOCK_MARGIN_MS < to
}

/** `2024-12-10T12:56:00.204Z` */
export function formatInstant(at: number): string {
  return new Date(at).toISOString()
}
