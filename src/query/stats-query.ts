import { AppError, type FieldError } from '../errors.ts'
import { ceilTo, floorTo, HOUR_MS, MINUTE_MS } from '../minute.ts'
import { INSTANT_RULE, jsonInstant, parseInstant } from './instant.ts'

type Fields = Readonly<Record<string, unknown>>

/** The half-open range [from, to) in Unix milliseconds, whole minutes. */
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

/** What a parameter may be in this version, where it is not an instant. */
const ONLY: Readonly<Record<string, string>> = {
  step: 'minute',
  tz: 'UTC',
  fill: 'none',
  format: 'json',
}
const STEPS_MAX = 100_000

/** `/stats/:bannerId`: throws `invalid_parameter`, `invalid_range` or `range_too_large`. */
export function parseSeriesQuery(input: StatsInput): Range {
  const range = parseRange(input, ['tsFrom', 'tsTo', 'step', 'tz', 'fill', 'format'])
  const steps = (range.to - range.from) / MINUTE_MS
  if (steps > STEPS_MAX) {
    throw new AppError(
      'range_too_large',
      `The range has ${steps} steps; at most ${STEPS_MAX} are answered at once.`,
    )
  }
  return range
}

/** `/stats`: throws `invalid_parameter` or `invalid_range`. */
export function parseTotalsQuery(input: StatsInput): Range {
  return parseRange(input, ['tsFrom', 'tsTo', 'tz', 'format'])
}

function parseRange(input: StatsInput, known: readonly string[]): Range {
  const errors: FieldError[] = []
  for (const field of new Set([...Object.keys(input.query), ...Object.keys(input.body)])) {
    const message = fieldProblem(input, field, known)
    if (message !== undefined) errors.push({ field, message })
  }
  const tsFrom = instantOf(input, 'tsFrom')
  const tsTo = instantOf(input, 'tsTo')
  if (input.now === undefined) {
    if (!isGiven(input, 'tsFrom')) errors.push({ field: 'tsFrom', message: 'must be given' })
    if (!isGiven(input, 'tsTo')) errors.push({ field: 'tsTo', message: 'must be given' })
  }
  if (errors.length > 0) throw AppError.ofFields(errors)
  const to = tsTo ?? input.now ?? 0
  const from = tsFrom ?? Math.max(0, to - HOUR_MS)
  if (from >= to) throw new AppError('invalid_range', 'tsFrom must be before tsTo.')
  return { from: floorTo(from, MINUTE_MS), to: ceilTo(to, MINUTE_MS) }
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
  const value = Object.hasOwn(body, field) ? body[field] : query[field]
  if (Array.isArray(value) && Object.hasOwn(query, field)) return 'must be given once'
  if (field === 'tsFrom' || field === 'tsTo') {
    return instantOf({ query, body, now: 0 }, field) === undefined ? INSTANT_RULE : undefined
  }
  const only = ONLY[field]
  return value === only ? undefined : `must be ${only}, the only one of this version`
}

function instantOf({ query, body }: StatsInput, field: 'tsFrom' | 'tsTo'): number | undefined {
  if (Object.hasOwn(body, field)) return jsonInstant(body[field])
  const value = query[field]
  return typeof value === 'string' ? parseInstant(value) : undefined
}
