import * as v from 'valibot'
import { BANNER_FIELDS } from '../banner-fields.ts'
import type { ErrorCode } from '../errors.ts'
import type { Operation } from '../http/route.ts'
import { LIVE } from './live-handlers.ts'
import { SERIES, TOTALS } from './stats-query.ts'

const timestamp = v.pipe(v.string(), v.metadata({ format: 'date-time' }))
const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const { id } = BANNER_FIELDS
const COMPLETENESS = {
  completeUntil: v.pipe(
    timestamp,
    v.description('Every click that was accepted before this instant is in the answer.'),
  ),
  partial: v.pipe(
    v.boolean(),
    v.description('False once no acknowledged click can be added to the range any more.'),
  ),
  minutesFrom: v.optional(
    v.pipe(
      timestamp,
      v.description(
        'Only where the range begins before it: the minutes before this instant are gone (`RETENTION_MINUTES_DAYS`). There times are known to the quarter of an hour, and all of a quarter counts at its first minute.',
      ),
    ),
  ),
}

const COUNT = v.strictObject({ timestamp, bannerID: id, count })

export const SERIES_ANSWER = v.strictObject({
  bannerID: id,
  name: v.string(),
  tsFrom: timestamp,
  tsTo: timestamp,
  step: v.string(),
  tz: v.string(),
  total: count,
  counts: v.array(COUNT),
  ...COMPLETENESS,
})

export const TOTALS_ANSWER = v.strictObject({
  tsFrom: timestamp,
  tsTo: timestamp,
  tz: v.string(),
  total: count,
  banners: v.array(v.strictObject({ bannerID: id, name: v.string(), total: count })),
  ...COMPLETENESS,
})

const ROW_EXAMPLE = { timestamp: '2026-11-01T12:56:00Z', bannerID: 42, count: 3 }
const COMPLETENESS_EXAMPLE = { completeUntil: '2026-11-02T09:30:00.204Z', partial: false }
export const STATS_HEADERS = {
  'Tallymark-Total': 'The total.',
  'Tallymark-Complete-Until': 'As `completeUntil`.',
  'Tallymark-Partial': 'As `partial`: true or false.',
  'Tallymark-Minutes-From': 'As `minutesFrom`; absent where that is.',
}

const QUESTION_ERRORS = [
  'unauthorized',
  'body_too_large',
  'unsupported_media_type',
  'invalid_body',
  'invalid_parameter',
  'invalid_range',
  'overloaded',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

export const SERIES_ERRORS = [
  ...QUESTION_ERRORS,
  'invalid_banner_id',
  'range_too_large',
  'banner_not_found',
] as const satisfies readonly ErrorCode[]

export const SERIES_CONTENT = {
  'application/json': {
    schema: SERIES_ANSWER,
    example: {
      bannerID: 42,
      name: 'Autumn sale',
      tsFrom: '2026-11-01T12:00:00Z',
      tsTo: '2026-11-01T13:00:00Z',
      step: 'minute',
      tz: 'UTC',
      total: 3,
      counts: [ROW_EXAMPLE],
      ...COMPLETENESS_EXAMPLE,
    },
  },
  'text/csv': { example: 'timestamp,bannerID,count\r\n2026-11-01T12:56:00Z,42,3\r\n' },
  'application/x-ndjson': { example: `${JSON.stringify(ROW_EXAMPLE)}\n` },
}

/** What the description of the API says of statistics. */
export const STATS_OPERATIONS = {
  readSeries: {
    id: 'readSeries',
    tag: 'Statistics',
    summary: 'Clicks of one banner',
    description:
      'The range is half open and takes in whole steps: `tsFrom` is floored, `tsTo` ceiled. A missing `tsTo` is now, a missing `tsFrom` an hour before `tsTo`. The parameters may also stand in a JSON body.',
    query: SERIES,
    answer: {
      status: 200,
      description: 'The counts, in time order.',
      headers: STATS_HEADERS,
      content: SERIES_CONTENT,
    },
    errors: SERIES_ERRORS,
  },
  readTotals: {
    id: 'readTotals',
    tag: 'Statistics',
    summary: 'The total of each banner',
    description:
      'Banners with clicks in the range, most first, ties by id. The range takes in whole minutes. The parameters may also stand in a JSON body.',
    query: TOTALS,
    answer: {
      status: 200,
      description: 'The totals.',
      headers: STATS_HEADERS,
      content: {
        'application/json': {
          schema: TOTALS_ANSWER,
          example: {
            tsFrom: '2026-11-01T12:00:00Z',
            tsTo: '2026-11-01T13:00:00Z',
            tz: 'UTC',
            total: 3,
            banners: [{ bannerID: 42, name: 'Autumn sale', total: 3 }],
            ...COMPLETENESS_EXAMPLE,
          },
        },
        'text/csv': { example: 'bannerID,name,total\r\n42,Autumn sale,3\r\n' },
        'application/x-ndjson': { example: '{"bannerID":42,"name":"Autumn sale","total":3}\n' },
      },
    },
    errors: QUESTION_ERRORS,
  },
  followCounts: {
    id: 'followCounts',
    tag: 'Statistics',
    summary: 'Counts as they change, as server-sent events',
    description:
      'First an event `counts` with the rows of the current and the previous 10 minutes, then at most one a second with those that changed; `count` is the new value. A comment every 15 s. The stream ends when the service stops.',
    query: LIVE,
    answer: {
      status: 200,
      description: 'A stream of events.',
      content: {
        'text/event-stream': {
          example: `event: counts\ndata: ${JSON.stringify([ROW_EXAMPLE])}\n\n`,
        },
      },
    },
    errors: [
      'unauthorized',
      'invalid_parameter',
      'banner_not_found',
      'store_unavailable',
      'too_many_streams',
    ],
  },
} as const satisfies Record<string, Operation>
