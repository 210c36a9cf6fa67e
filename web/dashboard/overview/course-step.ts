import type { Range, Step } from '../api/api.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The step of a small picture: at most some 400 points, and cheap to answer for fifty banners. */
export function courseStep({ from, to }: Range): Step {
  const length = to - from
  if (length <= 6 * HOUR_MS) return 'minute'
  if (length <= 14 * DAY_MS) return 'hour'
  if (length <= 90 * DAY_MS) return 'day'
  return length <= 600 * DAY_MS ? 'week' : 'month'
}
