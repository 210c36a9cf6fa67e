import * as v from 'valibot'
import { parseBannerId } from '../banner.ts'
import { AppError } from '../errors.ts'
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
const PEAK_RULE = 'must be true or false'

const { tsFrom, tsTo, step, tz } = SERIES.entries

/** `GET /series` */
export const MANY_SERIES = v.strictObject({
  banners: v.pipe(
    v.string(BANNERS_RULE),
    v.description('Up to 100 banner ids, separated by commas; they are answered in this order.'),
    v.examples(['1,2,42']),
    v.metadata({ pattern: `^[1-9]\\d{0,9}(?:,[1-9]\\d{0,9}){0,${BANNERS_MAX - 1}}$` }),
    v.transform(parseIds),
    v.array(v.number(), BANNERS_RULE),
  ),
  tsFrom,
  tsTo,
  step,
  tz,
  peak: v.optional(
    v.pipe(
      // A URL has words alone, a JSON body the value itself.
      v.union([v.picklist(['true', 'false']), v.boolean()], PEAK_RULE),
      v.description('Whether the minute with the most clicks is answered, too.'),
      v.transform((given) => given === true || given === 'true'),
    ),
    false,
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
  const { banners, peak: withPeak, ...given } = parseStats(MANY_SERIES, input)
  const steps = stepsOf(given, input.now)
  const { from, to, starts } = steps
  const slices: readonly Slice[] = withPeak
    ? [{ resolution: 'minute', from, to }]
    : slicesOfSteps(starts)
  const query = { ...steps, bannerIds: banners, withPeak, slices }
  checkSize(query)
  return query
}

function parseIds(text: string): number[] | undefined {
  const ids = text.split(',').map(parseBannerId)
  const isValid = ids.length <= BANNERS_MAX && new Set(ids).size === ids.length
  return isValid && ids.every((id) => id !== undefined) ? ids : undefined
}

function checkSize({ bannerIds, starts, withPeak, slices }: ManySeriesQuery): void {
  const counts = bannerIds.length * (starts.length - 1)
  if (counts > STEPS_MAX) {
    throw new AppError(
      'range_too_large',
      `The steps of all banners are ${counts}, and at most ${STEPS_MAX} are answered at once: ask for fewer banners, a shorter range or a longer step.`,
    )
  }
  const slots = bannerIds.length * slotsOf(slices)
  if (slots <= SLOTS_MAX) return
  // The peak takes every minute, whatever the step.
  const remedy = withPeak
    ? 'fewer banners or a shorter range, or without the peak'
    : 'fewer banners, a shorter range or a longer step'
  throw new AppError(
    'range_too_large',
    `The stored counts to be read are ${slots}, and at most ${SLOTS_MAX} are read at once: ask for ${remedy}.`,
  )
}
