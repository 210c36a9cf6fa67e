import { timestamp } from '../model/period.ts'
import type { Shown } from './banner-model.ts'

/** The steps as `GET /stats/:bannerId?fill=zero&format=csv` has them; those to come are left out. */
export function csvOf({ starts, series, tz, futureFrom }: Shown): string {
  const rows = starts
    .slice(0, futureFrom)
    .map((start, step) => `${timestamp(start, tz)},${series.bannerId},${series.counts[step] ?? 0}`)
  return ['timestamp,bannerID,count', ...rows, ''].join('\r\n')
}
