import * as v from 'valibot'
import type { Operation } from '../http/route.ts'
import { MANY_SERIES } from './many-series-query.ts'
import { SERIES_ANSWER, SERIES_ERRORS, STATS_HEADERS } from './stats-operations.ts'

const { bannerID, name, tsFrom, tsTo, step, tz, total, completeUntil, partial, minutesFrom } =
  SERIES_ANSWER.entries

export const MANY_SERIES_ANSWER = v.strictObject({
  tsFrom,
  tsTo,
  step,
  tz,
  total,
  timestamps: v.pipe(v.array(tsFrom), v.description('The first instant of each step.')),
  banners: v.array(
    v.strictObject({
      bannerID,
      name,
      total,
      peak: v.optional(
        v.pipe(
          v.nullable(v.strictObject({ timestamp: tsFrom, count: total })),
          v.description(
            'The minute with the most clicks, the earliest of them, among the minutes that are kept (see `minutesFrom`); null where there are none. Only where it was asked for.',
          ),
        ),
      ),
      counts: v.pipe(v.array(total), v.description('One for each of the timestamps.')),
    }),
  ),
  completeUntil,
  partial,
  minutesFrom,
})

/** What the description of the API says of `/series`. */
export const MANY_SERIES_OPERATION = {
  id: 'readManySeries',
  tag: 'Statistics',
  summary: 'Clicks of several banners over the same steps',
  description:
    'All of it from one snapshot; every step is there, also without clicks. Range, steps and zone as for one banner. The parameters may also stand in a JSON body. Banners times steps are at most 100,000, and the stored counts that have to be read at most 500,000.',
  query: MANY_SERIES,
  answer: {
    status: 200,
    description: 'The counts as columns, in the order of the banners.',
    headers: STATS_HEADERS,
    content: {
      'application/json': {
        schema: MANY_SERIES_ANSWER,
        example: {
          tsFrom: '2026-11-01T12:00:00Z',
          tsTo: '2026-11-01T14:00:00Z',
          step: 'hour',
          tz: 'UTC',
          total: 5,
          timestamps: ['2026-11-01T12:00:00Z', '2026-11-01T13:00:00Z'],
          banners: [
            { bannerID: 42, name: 'Autumn sale', total: 4, counts: [3, 1] },
            { bannerID: 7, name: 'Winter sale', total: 1, counts: [0, 1] },
          ],
          completeUntil: '2026-11-02T09:30:00.204Z',
          partial: false,
        },
      },
    },
  },
  errors: SERIES_ERRORS.filter((code) => code !== 'invalid_banner_id'),
} as const satisfies Operation
