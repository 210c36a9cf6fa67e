// Instants are Unix milliseconds; counts are kept by minute and rolled up by quarter of an hour
// and by UTC day.
export const MINUTE_MS = 60_000
export const QUARTER_MS = 15 * MINUTE_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

/** The last multiple of `unitMs` that is not after `at`. */
export function floorTo(at: number, unitMs: number): number {
  return Math.floor(at / unitMs) * unitMs
}

/** The first multiple of `unitMs` that is not before `at`. */
export function ceilTo(at: number, unitMs: number): number {
  return Math.ceil(at / unitMs) * unitMs
}
