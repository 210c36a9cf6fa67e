import { Temporal } from 'temporal-polyfill'
import { DAY_MS, floorTo, MINUTE_MS } from '../minute.ts'

/** From `from` on, until the next one begins, local time is UTC + `offsetMs`. Whole minutes. */
interface Stretch {
  readonly from: number
  readonly offsetMs: number
}

/** A zone over some time, at least one stretch. The first also holds before it begins. */
export type Zone = readonly [Stretch, ...Stretch[]]

/** The longest step and a day more, so that the step around either end is in the zone too. */
const MARGIN_MS = 33 * DAY_MS

/** The name as IANA writes it, or undefined: `europe/berlin` is `Europe/Berlin`. */
export function zoneName(text: string): string | undefined {
  if (!/^[A-Za-z]/.test(text)) return undefined // `+05:30` is an offset
  try {
    return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text).timeZoneId
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/**
 * The zone's stretches over a range. Counts are kept by the minute of UTC, so offsets with seconds
 * (Monrovia until 1972) are rounded to minutes.
 */
export function zoneOf(name: string, range: { readonly from: number; readonly to: number }): Zone {
  const until = range.to + MARGIN_MS
  let at = Temporal.Instant.fromEpochMilliseconds(
    Math.floor(range.from) - MARGIN_MS,
  ).toZonedDateTimeISO(name)
  const stretches: [Stretch, ...Stretch[]] = [stretchAt(at)]
  for (;;) {
    const next = at.getTimeZoneTransition('next')
    if (next === null || next.epochMilliseconds > until) return stretches
    stretches.push(stretchAt(next))
    at = next
  }
}

function stretchAt(time: Temporal.ZonedDateTime): Stretch {
  return {
    from: floorTo(time.epochMilliseconds, MINUTE_MS),
    offsetMs: Math.round(time.offsetNanoseconds / 1e6 / MINUTE_MS) * MINUTE_MS,
  }
}
