import type { Shown } from './banner-model.ts'

/** Clicks a step, of the steps that are over; undefined: none is, and what runs has not its share yet. */
export function averageOf({
  series,
  openFrom,
}: Pick<Shown, 'series' | 'openFrom'>): number | undefined {
  if (openFrom === 0) return undefined
  return series.counts.slice(0, openFrom).reduce((sum, count) => sum + count, 0) / openFrom
}
