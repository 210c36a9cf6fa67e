import type { Step } from '../api/api.ts'
import type { Language } from './language.ts'

const FORMATS: Readonly<Record<Step, Intl.DateTimeFormatOptions>> = {
  minute: { dateStyle: 'medium', timeStyle: 'short' },
  hour: { dateStyle: 'medium', timeStyle: 'short' },
  day: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  week: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  month: { month: 'long', year: 'numeric' },
}

const WITH_OFFSET: Intl.DateTimeFormatOptions = {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: 'numeric',
  minute: '2-digit',
  timeZoneName: 'shortOffset',
}
const MINUTE_MS = 60_000
/** By so much clocks are put back somewhere. */
const CHANGES_MS = [30, 60, 120].map((minutes) => minutes * MINUTE_MS)

/** The first instant of a step, as precise as the step is; with the offset where a clock shows it twice. */
export function stepText(language: Language, start: number, step: Step, tz: string): string {
  const text = language.date(start, tz, FORMATS[step])
  if (step !== 'minute' && step !== 'hour') return text
  const isTwice = CHANGES_MS.some((change) =>
    [start - change, start + change].some(
      (other) => language.date(other, tz, FORMATS[step]) === text,
    ),
  )
  return isTwice ? language.date(start, tz, WITH_OFFSET) : text
}
