import { AppError, type FieldError } from '../errors.ts'
import { ceilTo, floorTo, HOUR_MS, MINUTE_MS } from '../minute.ts'
import { FORMATS, type Format } from './formats.ts'
import { INSTANT_RULE, jsonInstant, parseInstant } from './instant.ts'
import { STEPS, stepStarts, type Step } from './steps.ts'
import { zoneName, zoneOf, type Zone } from './zone.ts'

type Fields = Readonly<Record<string, unknown>>

/** The half-open range [from, to) in Unix milliseconds. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface StatsInput {
  readonly query: Fields
  /** The JSON body, {} where there is none. */
  readonly body: Fields
  /** GET: what `tsTo` is where it is missing. POST: undefined, both must be given. */
  readonly now: number | undefined
}

/** The parameters that make a `POST /stats/:bannerId` a question instead of a click. */
export const STATS_PARAMETERS = ['tsFrom', 'tsTo', 'step', 'tz', 'fill', 'format', 'top'] as const

const STEPS_MAX = 100_000
const TOP_MAX = 1_000

export interface SeriesQuery extends Range {
  /** First instants of the steps, and the end of the last; `from` and `to` are the ends of this. */
  readonly starts: readonly number[]
  readonly step: Step
  readonly fill: Fill
  readonly tz: string
  readonly zone: Zone
  /** As asked for in the parameters; it wins over `Accept`. */
  readonly format: Format | undefined
}

export interface TotalsQuery extends Range {
  readonly tz: string
  readonly zone: Zone
  /** How many banners are listed; undefined: all. */
  readonly top: number | undefined
  readonly format: Format | undefined
}

const FILLS = ['none', 'zero'] as const
type Fill = (typeof FILLS)[number]

/** `/stats/:bannerId`: throws `invalid_parameter`, `invalid_range` or `range_too_large`. */
export function parseSeriesQuery(input: StatsInput): SeriesQuery {
  checkFields(input, ['tsFrom', 'tsTo', 'step', 'tz', 'fill', 'format'])
  const range = rangeOf(input)
  const step = STEPS.find((known) => known === valueOf(input, 'step')) ?? 'minute'
  const fill = FILLS.find((known) => known === valueOf(input, 'fill')) ?? 'none'
  checkSize(step, range)
  const tz = tzOf(input)
  const zone = zoneOf(tz, range)
  const starts = stepStarts(step, zone, range)
  const [from = 0] = starts
  return { from, to: starts.at(-1) ?? 0, starts, step, fill, tz, zone, format: formatOf(input) }
}

/** `/stats`: throws `invalid_parameter` or `invalid_range`. */
export function parseTotalsQuery(input: StatsInput): TotalsQuery {
  checkFields(input, ['tsFrom', 'tsTo', 'tz', 'format', 'top'])
  const { from, to } = rangeOf(input)
  const range = { from: floorTo(from, MINUTE_MS), to: ceilTo(to, MINUTE_MS) }
  const tz = tzOf(input)
  const top = valueOf(input, 'top')
  return {
    ...range,
    tz,
    zone: zoneOf(tz, range),
    top: top === undefined ? undefined : Number(top),
    format: formatOf(input),
  }
}

function checkSize(step: Step, { from, to }: Range): void {
  // Longer steps are fewer than that in all of 1970 to 2100.
  if (step !== 'minute' && step !== 'hour') return
  const unitMs = step === 'minute' ? MINUTE_MS : HOUR_MS
  const steps = (ceilTo(to, unitMs) - floorTo(from, unitMs)) / unitMs
  if (steps <= STEPS_MAX) return
  throw new AppError(
    'range_too_large',
    `The range has ${steps} steps; at most ${STEPS_MAX} are answered at once.`,
  )
}

function checkFields(input: StatsInput, known: readonly string[]): void {
  const errors: FieldError[] = []
  for (const field of new Set([...Object.keys(input.query), ...Object.keys(input.body)])) {
    const message = fieldProblem(input, field, known)
    if (message !== undefined) errors.push({ field, message })
  }
  if (input.now === undefined) {
    for (const field of ['tsFrom', 'tsTo']) {
      if (!isGiven(input, field)) errors.push({ field, message: 'must be given' })
    }
  }
  if (errors.length > 0) throw AppError.ofFields(errors)
}

/** The range as given, not yet aligned. */
function rangeOf(input: StatsInput): Range {
  const to = instantOf(input, 'tsTo') ?? input.now ?? 0
  const from = instantOf(input, 'tsFrom') ?? Math.max(0, to - HOUR_MS)
  if (from >= to) throw new AppError('invalid_range', 'tsFrom must be before tsTo.')
  return { from, to }
}

function tzOf(input: StatsInput): string {
  const tz = valueOf(input, 'tz')
  return (typeof tz === 'string' ? zoneName(tz) : undefined) ?? 'UTC'
}

function formatOf(input: StatsInput): Format | undefined {
  return FORMATS.find((known) => known === valueOf(input, 'format'))
}

function valueOf({ query, body }: StatsInput, field: string): unknown {
  return Object.hasOwn(body, field) ? body[field] : query[field]
}

function isGiven({ query, body }: StatsInput, field: string): boolean {
  return Object.hasOwn(query, field) || Object.hasOwn(body, field)
}

function fieldProblem(
  { query, body }: StatsInput,
  field: string,
  known: readonly string[],
): string | undefined {
  if (!known.includes(field)) return `is not a parameter here; known are ${known.join(', ')}`
  if (Object.hasOwn(query, field) && Object.hasOwn(body, field)) {
    return 'must not stand in both query and body'
  }
  const value = valueOf({ query, body, now: undefined }, field)
  if (Array.isArray(value) && Object.hasOwn(query, field)) return 'must be given once'
  return valueProblem({ query, body, now: undefined }, field, value)
}

function valueProblem(input: StatsInput, field: string, value: unknown): string | undefined {
  switch (field) {
    case 'tsFrom':
    case 'tsTo':
      return instantOf(input, field) === undefined ? INSTANT_RULE : undefined
    case 'step':
      return oneOf(STEPS, value)
    case 'fill':
      return oneOf(FILLS, value)
    case 'format':
      return oneOf(FORMATS, value)
    case 'tz':
      return typeof value === 'string' && zoneName(value) !== undefined
        ? undefined
        : 'must be the IANA name of a time zone, for instance Europe/Berlin'
    default:
      return isTop(value, Object.hasOwn(input.body, field))
        ? undefined
        : `must be an integer from 1 to ${TOP_MAX}`
  }
}

function oneOf(known: readonly string[], value: unknown): string | undefined {
  return known.some((each) => each === value) ? undefined : `must be one of ${known.join(', ')}`
}

/** Digits in a query, a number in a body. */
function isTop(value: unknown, isInBody: boolean): boolean {
  const isWritten = isInBody
    ? Number.isInteger(value)
    : typeof value === 'string' && /^[1-9]\d{0,3}$/.test(value)
  return isWritten && Number(value) >= 1 && Number(value) <= TOP_MAX
}

function instantOf({ query, body }: StatsInput, field: 'tsFrom' | 'tsTo'): number | undefined {
  if (Object.hasOwn(body, field)) return jsonInstant(body[field])
  const value = query[field]
  return typeof value === 'string' ? parseInstant(value) : undefined
}
