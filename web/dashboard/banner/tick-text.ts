import type { Step } from '../api/api.ts'
import type { Language } from '../text/language.ts'

const DAY_S = 86_400
/** Clocks are put forward by two hours at most. */
const DAY_MIN_S = 22 * 3_600
/** What Russian adds to a year takes the room of a label, and a year is known without it. */
const RUSSIAN_YEAR = /\s*г\.$/

interface TickParts {
  readonly language: Language
  readonly step: Step
  readonly tz: string
}

/** The label of a tick, of which there are some, in seconds: the time of day, and its date where one begins. */
export function tickText(
  ticks: readonly number[],
  index: number,
  { language, step, tz }: TickParts,
): string {
  const at = (ticks[index] ?? 0) * 1_000
  const gap = (ticks[1] ?? 0) - (ticks[0] ?? 0)
  if (step === 'month' || gap >= 27 * DAY_S) {
    return language.date(at, tz, { month: 'short', year: 'numeric' }).replace(RUSSIAN_YEAR, '')
  }
  const day = language.date(at, tz, { day: 'numeric', month: 'short' })
  const isByHands = step === 'minute' || step === 'hour'
  if (!isByHands || gap >= DAY_MIN_S) return day
  const time = language.date(at, tz, { hour: '2-digit', minute: '2-digit' })
  const previous = ticks[index - 1]
  const isNewDay =
    previous === undefined ||
    language.date(previous * 1_000, tz, { day: 'numeric', month: 'short' }) !== day
  return isNewDay ? `${time}\n${day}` : time
}
