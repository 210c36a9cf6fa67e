import { ceilTo, DAY_MS, floorTo, MINUTE_MS, QUARTER_MS } from '../minute.ts'
import type { Resolution, Slice } from '../store/count-store.ts'
import type { Range } from './stats-query.ts'

/** How far the clocks of processes may be apart, in the judgement of `partial`. */
const CLOCK_MARGIN_MS = 1_000

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
 * Whether an acknowledged click may still be added before `to`: one that was received before it
 * is acknowledged within the ack timeout, or never.
 */
export function isPartial(to: number, completeUntil: number, ackTimeoutMs: number): boolean {
  return completeUntil - ackTimeoutMs - CLOCK_MARGIN_MS < to
}

/** `2024-12-10T12:56:00Z` */
export function formatMinute(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z')
}

/** `2024-12-10T12:56:00.204Z` */
export function formatInstant(at: number): string {
  return new Date(at).toISOString()
}
