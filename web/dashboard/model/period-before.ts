import * as Zoned from 'temporal-polyfill/fns/ZonedDateTime'
import type { Range, Step } from '../api/api.ts'
import { daysOf, zoned, type Period } from './period.ts'

const MINUTE_MS = 60_000
/** Steps of a day: so many at once mostly stand equally far from those before them. */
const STEPS_A_DAY = { minute: 1_440, hour: 24 }

/** A period as the service has answered it: in whole steps. */
export interface SteppedRange extends Range {
  readonly period: Period
  readonly step: Step
  readonly tz: string
  /** First instants of the steps. */
  readonly starts: readonly number[]
}

/** The period before, in whole steps, and how far it is compared. */
export interface RangeBefore extends Range {
  /** As far as the period itself has come, in whole minutes: what is later has nothing to stand beside. */
  readonly until: number
}

/**
 * As many days, weeks or months as are shown, right before them. Hours and minutes are those at the
 * same time of the days before, where the period is made of days, or else as many.
 */
export function rangeBefore(shown: SteppedRange, now: number): RangeBefore {
  const from = earlier(shown.from, shown)
  const to = isByHands(shown) ? earlier(shown.to, shown) : shown.from
  const reached = earlier(Math.min(now, shown.to), shown)
  // Rounded: taken up or down, steady clicks would always seem to fall, or to rise.
  const until = Math.round(reached / MINUTE_MS) * MINUTE_MS
  return { from, to, until: Math.max(from, Math.min(to, until)) }
}

/** For each step that is shown the index of the one before that it is compared with. */
export function stepsBefore(
  shown: SteppedRange,
  starts: readonly number[],
): readonly (number | undefined)[] {
  if (!isByHands(shown)) return shown.starts.map((_, index) => index)
  const indices = new Map(starts.map((start, index) => [start, index]))
  return distances(shown).map((distance, index) =>
    distance === undefined ? undefined : indices.get((shown.starts[index] ?? 0) - distance),
  )
}

/** How long before each step the one stands that it is compared with; undefined: there is none. */
function distances(shown: SteppedRange & { readonly step: ByHands }): (number | undefined)[] {
  const { starts, step, tz } = shown
  const found = starts.map((): number | undefined => undefined)
  const distanceAt = (index: number): number | undefined => {
    const start = starts[index] ?? 0
    const before = earlier(start, shown)
    // An hour that one of the days has not, or has twice, has none to be compared with.
    return later(before, shown) === start ? start - before : undefined
  }
  const offsetAt = (index: number): number => Zoned.offsetNanoseconds(zoned(starts[index] ?? 0, tz))
  /** All of [first, last]. Calendars are slow: step by step, a month by minute takes a second. */
  const fill = (first: number, last: number): void => {
    const distance = distanceAt(first)
    // Where the clock is the same at both ends, and the clock then was too, no change lies between.
    if (distanceAt(last) === distance && offsetAt(first) === offsetAt(last)) {
      found.fill(distance, first, last + 1)
    } else if (last - first === 1) {
      found[first] = distance
      found[last] = distanceAt(last)
    } else {
      const middle = (first + last) >>> 1
      fill(first, middle)
      fill(middle, last)
    }
  }
  for (let first = 0; first < starts.length; first += STEPS_A_DAY[step]) {
    fill(first, Math.min(first + STEPS_A_DAY[step], starts.length) - 1)
  }
  return found
}

type ByHands = 'minute' | 'hour'

/** Whether its steps are shorter than a day, and told by the hands of a clock. */
function isByHands(shown: SteppedRange): shown is SteppedRange & { readonly step: ByHands } {
  return shown.step === 'minute' || shown.step === 'hour'
}

function earlier(instant: number, shown: SteppedRange): number {
  const { step, tz, starts } = shown
  const at = zoned(instant, tz)
  if (step === 'month') return Zoned.subtractMonths(at, starts.length).epochMilliseconds
  const days = daysBack(shown)
  if (days === undefined) return instant - (shown.to - shown.from)
  return Zoned.subtractDays(at, days).epochMilliseconds
}

function later(instant: number, shown: SteppedRange): number {
  const days = daysBack(shown)
  if (days === undefined) return instant + (shown.to - shown.from)
  return Zoned.addDays(zoned(instant, shown.tz), days).epochMilliseconds
}

/** Undefined: it is not made of days. */
function daysBack({ period, step, tz, starts }: SteppedRange): number | undefined {
  if (step === 'week') return 7 * starts.length
  if (step === 'day') return starts.length
  return daysOf(period, tz)
}
