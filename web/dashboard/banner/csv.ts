import { timestamp, wallTime } from '../model/period.ts'
import type { Shown } from './banner-model.ts'

/** The steps as `GET /stats/:bannerId?fill=zero&format=csv` has them; those to come are left out. */
export function csvOf({ starts, series, tz, futureFrom }: Shown): string {
  const rows = starts
    .slice(0, futureFrom)
    .map((start, step) => `${timestamp(start, tz)},${series.bannerId},${series.counts[step] ?? 0}`)
  return ['timestamp,bannerID,count', ...rows, ''].join('\r\n')
}

/** `banner-42-hour-2025-10-26T0000-2025-10-27T0000.csv`: a name of a file has no colon. */
export function csvName({ series, step, tz, from, to }: Shown): string {
  const [first, last] = [from, to].map((instant) => wallTime(instant, tz).replace(':', ''))
  return `banner-${series.bannerId}-${step}-${first}-${last}.csv`
}
