import * as v from 'valibot'
import { parseBannerId } from '../banner.ts'
import { AppError } from '../errors.ts'
import { oneOf } from '../fields.ts'
import type { Slice } from '../store/count-store.ts'
import { slicesOfSteps, slotsOf } from './series.ts'
import {
  parseStats,
  SERIES,
  STEPS_MAX,
  stepsOf,
  type StatsInput,
  type Steps,
} from './stats-query.ts'

const BANNERS_MAX = 100
/** Slots of minutes, quarters or days that may hold a count: what an answer has to read. */
const SLOTS_MAX = 500_000
const BANNERS_RULE = `must be 1 to ${BANNERS_MAX} different banner ids, separated by commas`

const { tsFrom, tsTo, step, tz } = SERIES.entries

/** `GET /series` */
export const MANY_SERIES = v.strictObject({
  banners: v.pipe(
    v.string(BANNERS_RULE),
    v.description('Up to 100 banner ids, separated by commas; they are answered in this order.'),
    v.examples(['1,2,42']),
    v.transform(bannerIds),
    v.array(v.number(), BANNERS_RULE),
  ),
  tsFrom,
  tsTo,
  step,
  tz,
  peak: v.optional(
    v.pipe(
      oneOf(['true', 'false']),
      v.description('Whether the minute with the most clicks is answered, too.'),
    ),
    'false',
  ),
})

export interface ManySeriesQuery extends Steps {
  readonly bannerIds: readonly number[]
  readonly withPeak: boolean
  /** What has to be read. */
  readonly slices: readonly Slice[]
}

/** `/series`: throws `invalid_parameter`, `invalid_range` or `range_too_large`. */
export function parseManySeriesQuery(input: StatsInput): ManySeriesQuery {
  const { banners, peak, ...given } = parseStats(MANY_SERIES, input)
  const steps = stepsOf(given, input.now)
  const { from, to, starts } = steps
  const withPeak = peak === 'true'
  const slices: readonly Slice[] = withPeak
    ? [{ resolution: 'minute', from, to }]
    : slicesOfSteps(starts)
  checkSize(banners.length, starts.length - 1, slices)
  return { ...steps, bannerIds: banners, withPeak, slices }
}

function bannerIds(text: string): number[] | undefined {
  const ids = text.split(',').map(parseBannerId)
  const isValid = ids.length <= BANNERS_MAX && new Set(ids).size === ids.length
  return isValid && ids.every((id) => id !== undefined) ? ids : undefined
}

function checkSize(banners: number, steps: number, slices: readonly Slice[]): void {
  if (banners * steps > STEPS_MAX) {
    throw tooLarge(`${banners} banners have ${banners * steps} steps`, STEPS_MAX)
  }
  const slots = slotsOf(slices)
  if (banners * slots > SLOTS_MAX) {
    throw tooLarge(`${banners * slots} stored counts would have to be read`, SLOTS_MAX)
  }
}

function tooLarge(what: string, max: number): AppError {
  const remedy = 'ask for fewer banners, a shorter range or a longer step'
  return new AppError(
    'range_too_large',
    `${what}, and at most ${max} are answered at once: ${remedy}.`,
  )
}
