import { ceilTo, QUARTER_MS } from '../minute.ts'
import type { Slice } from './count-store.ts'

/**
 * The slices whose rows are there once the minutes before `minutesFrom` are gone. Pure. Before it times are
 * known to the quarter of an hour, and all of a quarter counts at its first minute: so a slice of minutes
 * takes the quarters that begin in it. Of neighbours each takes its own, and none is missing or in two.
 */
export function slicesKept(slices: readonly Slice[], minutesFrom: number): readonly Slice[] {
  if (slices.every(({ resolution, from }) => resolution !== 'minute' || from >= minutesFrom)) {
    return slices
  }
  return slices.flatMap((slice): Slice[] => {
    if (slice.resolution !== 'minute' || slice.from >= minutesFrom) return [slice]
    const from = ceilTo(slice.from, QUARTER_MS)
    const to = ceilTo(Math.min(slice.to, minutesFrom), QUARTER_MS)
    return [
      ...(from < to ? [{ resolution: 'quarter', from, to } as const] : []),
      ...(minutesFrom < slice.to ? [{ ...slice, from: minutesFrom }] : []),
    ]
  })
}
