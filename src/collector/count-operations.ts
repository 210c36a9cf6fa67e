import * as v from 'valibot'
import type { ErrorCode } from '../errors.ts'
import type { Operation } from '../http/route.ts'
import { COUNT_HEADERS, COUNT_QUERY } from './key.ts'

export const ACCEPTED = v.strictObject({ status: v.literal('accepted') })

export const COUNT_ERRORS = [
  'invalid_banner_id',
  'body_too_large',
  'invalid_idempotency_key',
  'banner_not_found',
  'banner_paused',
  'banner_archived',
  'overloaded',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

/** What the description of the API says of counting. */
export const COUNT_OPERATIONS = {
  countClick: {
    id: 'countClick',
    tag: 'Counting',
    summary: 'Count a click',
    description:
      'Answered once the click is durable. A body of any type is read and ignored, as are other parameters. `GET` counts, too, for places where only a URL fits.',
    query: COUNT_QUERY,
    headers: COUNT_HEADERS,
    answer: {
      status: 200,
      description: 'Accepted: the click is durable, and is counted exactly once.',
      content: { 'application/json': { schema: ACCEPTED, example: { status: 'accepted' } } },
    },
    errors: COUNT_ERRORS,
  },
  wouldCount: {
    id: 'wouldCount',
    tag: 'Counting',
    summary: 'The status that GET would have; counts nothing',
    query: COUNT_QUERY,
    headers: COUNT_HEADERS,
    answer: { status: 200, description: 'A click would be accepted.' },
    errors: COUNT_ERRORS,
  },
} as const satisfies Record<string, Operation>
