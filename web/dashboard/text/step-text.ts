import type { Step } from '../api/api.ts'
import type { Language } from './language.ts'

const FORMATS: Readonly<Record<Step, Intl.DateTimeFormatOptions>> = {
  minute: { dateStyle: 'medium', timeStyle: 'short' },
  hour: { dateStyle: 'medium', timeStyle: 'short' },
  day: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  week: { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' },
  month: { month: 'long', year: 'numeric' },
}

/** The first instant of a step, as precise as the step is. */
export function stepText(language: Language, start: number, step: Step, tz: string): string {
  return language.date(start, tz, FORMATS[step])
}
