import * as v from 'valibot'
import { AppError } from '../errors.ts'
import { integer, oneOf, parseFields, type Fields, type FieldsSchema } from '../fields.ts'
import { ceilTo, floorTo, HOUR_MS, MINUTE_MS } from '../minute.ts'
import { FORMATS, type Format } from './formats.ts'
import { INSTANT_RULE, parseInstant } from '../instant.ts'
import { STEPS, stepStarts, type Step } from './steps.ts'
import { zoneName, zoneOf, type Zone } from './zone.ts'

/** The half-open range [from, to) in Unix milliseconds. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface StatsInput {
  readonly query: Fields
  /** The JSON body, {} where there is none. */
  readonly body: Fields
  /** GET: tells what `tsTo` is where it is missing. POST: undefined, both must be given. */
  readonly now: (() => number) | undefined
}

/** The parameters that make a `POST /stats/:bannerId` a question instead of a click. */
export const STATS_PARAMETERS = ['tsFrom', 'tsTo', 'step', 'tz', 'fill', 'format', 'top'] as const

export const STEPS_MAX = 100_000
const TOP_MAX = 1_000
const TZ_RULE = 'must be the IANA name of a time zone, for instance Europe/Berlin'
const FILLS = ['none', 'zero'] as const
type Fill = (typeof FILLS)[number]

const instant = v.pipe(
  v.union(
    [
      v.pipe(v.string(), v.metadata({ format: 'date-time' })),
      v.pipe(v.number(), v.metadata({ type: 'integer', minimum: 0 })),
    ],
    INSTANT_RULE,
  ),
  v.description(
    'RFC 3339 with an offset, or a whole Unix time: seconds, or milliseconds from 11 digits on. 1970 to 2100.',
  ),
  v.examples(['2026-11-01T00:00:00Z', 1_793_491_200]),
  v.transform(parseInstant),
  v.number(INSTANT_RULE),
)

const step = v.pipe(
  oneOf(STEPS),
  v.description('What a row of the answer counts; weeks begin on Monday.'),
)
const tz = v.pipe(
  v.string(TZ_RULE),
  v.description('The zone, by its IANA name, where steps begin and in which times are written.'),
  v.examples(['Europe/Berlin']),
  v.transform(zoneName),
  v.string(TZ_RULE),
)
const fill = v.pipe(
  oneOf(FILLS),
  v.description('Whether steps without clicks are absent or there with 0.'),
)
const format = v.pipe(
  oneOf(FORMATS),
  v.description('Wins over `Accept`, whose unknown types mean JSON.'),
)
const top = v.pipe(
  integer(1, TOP_MAX),
  v.description('How many banners are listed at most; `total` is of all.'),
)

const SERIES_OPTIONS = {
  step: v.optional(step, 'minute'),
  tz: v.optional(tz, 'UTC'),
  fill: v.optional(fill, 'none'),
  format: v.optional(format),
} as const

/** `GET /stats/:bannerId` */
export const SERIES = v.strictObject({
  tsFrom: v.optional(instant),
  tsTo: v.optional(instant),
  ...SERIES_OPTIONS,
})

/** `POST /stats/:bannerId`: without a range it is a click. */
export const POSTED_SERIES = v.strictObject({ tsFrom: instant, tsTo: instant, ...SERIES_OPTIONS })

/** `GET /stats` */
export const TOTALS = v.strictObject({
  tsFrom: v.optional(instant),
  tsTo: v.optional(instant),
  tz: v.optional(tz, 'UTC'),
  top: v.optional(top),
  format: v.optional(format),
})

/** A range of whole steps. */
export interface Steps extends Range {
  /** First instants of the steps, and the end of the last; `from` and `to` are the ends of this. */
  readonly starts: readonly number[]
  readonly step: Step
  readonly tz: string
  readonly zone: Zone
}

export interface SeriesQuery extends Steps {
  readonly fill: Fill
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

/** `/stats/:bannerId`: throws `invalid_parameter`, `invalid_range` or `range_too_large`. */
export function parseSeriesQuery(input: StatsInput): SeriesQuery {
  const { now } = input
  const given = parseStats(now === undefined ? POSTED_SERIES : SERIES, input)
  return { fill: given.fill, format: given.format, ...stepsOf(given, now) }
}

interface GivenSteps {
  readonly tsFrom?: number | undefined
  readonly tsTo?: number | undefined
  readonly step: Step
  readonly tz: string
}

/** The steps that cover what was given. Throws `invalid_range` or `range_too_large`. */
export function stepsOf(
  { tsFrom, tsTo, step: unit, tz: name }: GivenSteps,
  now: StatsInput['now'],
): Steps {
  const range = rangeOf({ tsFrom, tsTo }, now)
  checkSize(stepsAtLeast(unit, range))
  const zone = zoneOf(name, range)
  const starts = stepStarts(unit, zone, range)
  checkSize(starts.length - 1)
  const [from = 0] = starts
  return { from, to: starts.at(-1) ?? 0, starts, step: unit, tz: name, zone }
}

/** `/stats`: throws `invalid_parameter` or `invalid_range`. */
export function parseTotalsQuery(input: StatsInput): TotalsQuery {
  const { tsFrom, tsTo, ...options } = parseStats(TOTALS, input)
  const { from, to } = rangeOf({ tsFrom, tsTo }, input.now)
  const range = { from: floorTo(from, MINUTE_MS), to: ceilTo(to, MINUTE_MS) }
  return {
    top: undefined,
    format: undefined,
    ...options,
    ...range,
    zone: zoneOf(options.tz, range),
  }
}

/** The fields of a question. Throws `invalid_parameter`. */
export function parseStats<S extends FieldsSchema>(
  schema: S,
  { query, body }: StatsInput,
): v.InferOutput<S> {
  const texts = Object.entries(query).map(([field, value]) => [field, withPlus(value)] as const)
  return parseFields(schema, { query: Object.fromEntries(texts), body })
}

/** The + of an offset, unescaped in a URL, arrives as a blank. */
function withPlus(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/ (?=\d\d:\d\d$)/, '+') : value
}

/**
 * Without a look at the zone, so that nothing is made of a range that is far too large. What a zone's clock takes
 * from the hours of UTC is less than a thousandth: the half hours by which some go back.
 */
function stepsAtLeast(unit: Step, { from, to }: Range): number {
  // Longer steps are few in all of 1970 to 2100.
  if (unit !== 'minute' && unit !== 'hour') return 0
  return Math.floor(((to - from) / (unit === 'minute' ? MINUTE_MS : HOUR_MS)) * 0.999)
}

function checkSize(steps: number): void {
  if (steps <= STEPS_MAX) return
  throw new AppError(
    'range_too_large',
    `The range has more than ${STEPS_MAX} steps, which are the most that are answered at once: ask for a shorter range or a longer step.`,
  )
}

/** The range as given, not yet aligned. */
function rangeOf(
  { tsFrom, tsTo }: { readonly tsFrom?: number | undefined; readonly tsTo?: number | undefined },
  now: StatsInput['now'],
): Range {
  const to = tsTo ?? now?.() ?? 0
  const from = tsFrom ?? Math.max(0, to - HOUR_MS)
  if (from >= to) throw new AppError('invalid_range', 'tsFrom must be before tsTo.')
  return { from, to }
}
