// One function of the library at a time: the whole of it is a third of the page.
import * as Instants from 'temporal-polyfill/fns/Instant'
import * as WallTimes from 'temporal-polyfill/fns/PlainDateTime'
import * as Zoned from 'temporal-polyfill/fns/ZonedDateTime'
import { STEPS, type Range, type Step } from '../api/api.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export const PRESETS = ['hour', 'today', '7days', '30days'] as const
export type Preset = (typeof PRESETS)[number]

/** What somebody chose to look at: up to now, or between two instants. */
export type Period =
  { readonly kind: 'preset'; readonly preset: Preset } | ({ readonly kind: 'free' } & Range)

/** Calendar days before today with which a preset begins. */
const DAYS_BACK = { today: 0, '7days': 6, '30days': 29 } as const

/** The instants of a period. The service takes in whole steps of them. */
export function rangeOf(period: Period, tz: string, now: number): Range {
  if (period.kind === 'free') return { from: period.from, to: period.to }
  if (period.preset === 'hour') return { from: now - HOUR_MS, to: now }
  const day = Zoned.subtractDays(zoned(now, tz), DAYS_BACK[period.preset])
  const from = Zoned.startOfDay(day).epochMilliseconds
  return { from, to: Math.max(now, from + 1) }
}

/** How many calendar days it is made of; undefined: it begins or ends within one. */
export function daysOf(period: Period, tz: string): number | undefined {
  if (period.kind === 'preset') {
    return period.preset === 'hour' ? undefined : DAYS_BACK[period.preset] + 1
  }
  const { from, to } = period
  const isDays = [from, to].every(
    (instant) => Zoned.startOfDay(zoned(instant, tz)).epochMilliseconds === instant,
  )
  return isDays ? Math.round((to - from) / DAY_MS) : undefined
}

/** Whether more clicks can come into it. */
export function isOpen(period: Period, now: number): boolean {
  return period.kind === 'preset' || period.to > now
}

/** The step that shows a period best, where nobody has chosen one. */
export function stepFor(period: Period): Step {
  if (period.kind === 'preset') {
    return ({ hour: 'minute', today: 'hour', '7days': 'hour', '30days': 'day' } as const)[
      period.preset
    ]
  }
  const length = period.to - period.from
  if (length <= 6 * HOUR_MS) return 'minute'
  if (length <= 14 * DAY_MS) return 'hour'
  if (length <= 400 * DAY_MS) return 'day'
  return 'month'
}

/** The longest that is not longer than the preset. */
const PRESET_STEP_MAX = { hour: 'minute', today: 'day', '7days': 'day', '30days': 'week' } as const
/** The shortest of each: clocks are put forward by two hours at most. */
const STEP_MIN_MS = {
  minute: 0,
  hour: HOUR_MS,
  day: 22 * HOUR_MS,
  week: 7 * DAY_MS - 2 * HOUR_MS,
  month: 28 * DAY_MS - 2 * HOUR_MS,
} as const satisfies Record<Step, number>

/** Whether the step is longer than the period: its number would be that of another period. */
export function isTooCoarse(step: Step, period: Period): boolean {
  if (period.kind === 'free') return period.to - period.from < STEP_MIN_MS[step]
  return STEPS.indexOf(step) > STEPS.indexOf(PRESET_STEP_MAX[period.preset])
}

const STEP_MS = {
  minute: MINUTE_MS,
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30 * DAY_MS,
} as const satisfies Record<Step, number>
/** A chart has no room for more, and the service answers no more. */
const STEPS_MAX = 100_000

export function isTooFine(step: Step, { from, to }: Range): boolean {
  return (to - from) / STEP_MS[step] > STEPS_MAX - 2
}

/** The service reads every minute to tell the busiest one, and reads no more. */
const PEAK_MINUTES_MAX = 500_000

/** Whether the busiest minute can be told of a range, which is widened to whole steps. */
export function canTellPeak(step: Step, { from, to }: Range): boolean {
  return to - from + 2 * STEP_MS[step] <= PEAK_MINUTES_MAX * MINUTE_MS
}

/** The first instant of the minute that contains an instant. */
export function minuteOf(instant: number): number {
  return Math.floor(instant / MINUTE_MS) * MINUTE_MS
}

/** What a clock in the zone shows, as `<input type="datetime-local">` writes it. */
export function wallTime(instant: number, tz: string): string {
  return WallTimes.toString(Zoned.toPlainDateTime(zoned(instant, tz)), { smallestUnit: 'minute' })
}

/**
 * The instant at which a clock in the zone shows it; undefined: it is no time. `madeOf` is the
 * instant of which the text was made: where a clock shows it twice, an unchanged text is still that one.
 */
export function instantOf(wallTimeText: string, tz: string, madeOf?: number): number | undefined {
  if (madeOf !== undefined && wallTime(madeOf, tz) === wallTimeText) return minuteOf(madeOf)
  const numbers = wallTimeText.match(/\d+/g)?.map(Number) ?? []
  const [year, month, day, hour, minute] = numbers
  if (year === undefined || month === undefined || day === undefined) return undefined
  try {
    const shown = WallTimes.create(year, month, day, hour, minute)
    return WallTimes.toZonedDateTime(shown, tz).epochMilliseconds
  } catch {
    return undefined // no such day, or no year that can be told
  }
}

/** As the service writes timestamps: `Z` for UTC, else with the offset. */
export function timestamp(instant: number, tz: string): string {
  if (tz === 'UTC') return new Date(instant).toISOString().replace('.000Z', 'Z')
  return Zoned.toString(zoned(instant, tz), { timeZoneName: 'never', smallestUnit: 'second' })
}

export function zoned(instant: number, tz: string): Zoned.Record {
  return Instants.toZonedDateTimeISO(Instants.fromEpochMilliseconds(instant), tz)
}

/** The zones to choose from, with this one among them. */
export function zonesWith(tz: string): readonly string[] {
  return [...new Set(['UTC', tz, ...Intl.supportedValuesOf('timeZone')])]
}

/** Whether the browser knows the zone. */
export function isZone(tz: string): boolean {
  if (!/^[A-Za-z]/.test(tz)) return false // an offset is no zone for the service
  try {
    new Intl.DateTimeFormat('en', { timeZone: tz })
    return true
  } catch {
    return false
  }
}
