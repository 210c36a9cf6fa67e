import { DAY_MS, floorTo, HOUR_MS, MINUTE_MS, QUARTER_MS } from '../minute.ts'
import type { BannerTotal } from '../store/count-store.ts'
import type { Range } from './stats-query.ts'

const WEEK_MS = 7 * DAY_MS
/** Less in an hour may be chance: of 10 clicks on average none comes once in 22,000 hours. */
const SILENT_CLICKS_MIN = 10

export interface SilenceRanges {
  readonly weekAgo: Range
  readonly lastHour: Range
}

/**
 * What is compared, for counts that are complete until `completeUntil`; undefined before there was a week.
 * The hour a week ago is one of quarters: single minutes may be gone by then. The last hour has the minute that
 * has begun, too: who clicked in it is not silent.
 */
export function silenceRanges(completeUntil: number): SilenceRanges | undefined {
  const quarter = floorTo(completeUntil, QUARTER_MS) - WEEK_MS
  const minute = floorTo(completeUntil, MINUTE_MS)
  if (quarter < HOUR_MS) return undefined
  return {
    weekAgo: { from: quarter - HOUR_MS, to: quarter },
    lastHour: { from: minute - HOUR_MS, to: minute + MINUTE_MS },
  }
}

/** How many banners were clicked then and are not now, by the totals of the two ranges. */
export function countSilent(
  weekAgo: readonly Pick<BannerTotal, 'bannerId' | 'total'>[],
  lastHour: readonly Pick<BannerTotal, 'bannerId' | 'total'>[],
  isActive: (bannerId: number) => boolean,
): number {
  const clicked = new Set(lastHour.map(({ bannerId }) => bannerId))
  return weekAgo.filter(
    ({ bannerId, total }) =>
      total >= SILENT_CLICKS_MIN && !clicked.has(bannerId) && isActive(bannerId),
  ).length
}
