import { EN, type Messages } from './en.ts'
import { RU } from './ru.ts'

export const LANGUAGES = { en: 'English', ru: 'Русский' } as const
export type LanguageCode = keyof typeof LANGUAGES

const MESSAGES: Readonly<Record<LanguageCode, Messages>> = { en: EN, ru: RU }

/** Forms by plural category; `#` stands for the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { readonly other: string }

/** What a message needs to word a number. */
export interface Wording {
  plural(count: number, forms: Forms): string
}

/** The first of the languages that somebody reads and this page speaks. */
export function preferredLanguage(languages: readonly string[]): LanguageCode {
  const codes = languages.map((tag) => tag.toLowerCase().split('-')[0])
  const known = codes.find((code) => code !== undefined && Object.hasOwn(LANGUAGES, code))
  return (known as LanguageCode | undefined) ?? 'en'
}

/** A language with the habits of a place: numbers, dates and times as Intl writes them. */
export class Language implements Wording {
  readonly code: LanguageCode
  readonly text: Messages
  readonly #locale: string
  readonly #plurals: Intl.PluralRules
  readonly #whole: Intl.NumberFormat
  readonly #decimal: Intl.NumberFormat
  /** Orders names as people look them up, 9 before 10. */
  readonly compare: (one: string, other: string) => number
  readonly #formats = new Map<string, Intl.DateTimeFormat>()

  /** Of the tags that the reader prefers, the first in this language says how dates are written. */
  constructor(code: LanguageCode, preferred: readonly string[]) {
    this.code = code
    this.text = MESSAGES[code]
    this.#locale = preferred.find((tag) => tag.toLowerCase().split('-')[0] === code) ?? code
    // One for all comparisons: `localeCompare` makes one for each, which ten thousand names notice.
    this.compare = new Intl.Collator(code, { numeric: true }).compare
    this.#plurals = new Intl.PluralRules(this.#locale)
    this.#whole = new Intl.NumberFormat(this.#locale)
    this.#decimal = new Intl.NumberFormat(this.#locale, { maximumFractionDigits: 2 })
  }

  /** Every digit of it. */
  number(value: number): string {
    return this.#whole.format(value)
  }

  decimal(value: number): string {
    return this.#decimal.format(value)
  }

  plural(count: number, forms: Forms): string {
    return (forms[this.#plurals.select(count)] ?? forms.other).replace('#', this.number(count))
  }

  /** An instant, Unix milliseconds, as people in a zone write it. */
  date(instant: number, tz: string, options: Intl.DateTimeFormatOptions): string {
    const key = `${tz} ${JSON.stringify(options)}`
    const format =
      this.#formats.get(key) ?? new Intl.DateTimeFormat(this.#locale, { ...options, timeZone: tz })
    this.#formats.set(key, format)
    return format.format(instant)
  }

  /** How long ago something was, in the largest unit that tells it well. */
  ago(ms: number): string {
    const seconds = Math.round(ms / 1_000)
    const [unit, unitSeconds] = UNITS.find(([, each]) => seconds >= 2 * each) ?? ['second', 1]
    return new Intl.RelativeTimeFormat(this.#locale).format(
      -Math.round(seconds / unitSeconds),
      unit,
    )
  }
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const
