import * as v from 'valibot'
import { KEY } from '../click.ts'
import { AppError } from '../errors.ts'

const key = v.optional(
  v.pipe(
    v.string(),
    v.regex(KEY),
    v.description('The same banner and key count once, for at least `KEY_RETENTION_HOURS`.'),
    v.examples(['order-1734']),
  ),
)
/** What counting requests may bring, for the description of the API: other fields are ignored. */
export const COUNT_QUERY = v.strictObject({ key })
export const COUNT_HEADERS = v.strictObject({ 'Idempotency-Key': key })

/**
 * The idempotency key of a count request, from its header, from `?key=`, or none.
 * Throws `invalid_idempotency_key`.
 */
export function readKey(header: unknown, query: unknown): string | undefined {
  if (header === undefined && query === undefined) return undefined
  // A header given twice arrives joined by ", ", which no key holds; a field as an array.
  for (const given of [header, query]) {
    if (given === undefined || (typeof given === 'string' && KEY.test(given))) continue
    throw invalid(
      Array.isArray(given)
        ? 'The idempotency key must be given once.'
        : 'The idempotency key must have 1 to 128 visible ASCII characters, and be given once.',
    )
  }
  if (header !== undefined && query !== undefined && header !== query) {
    throw invalid('The header Idempotency-Key and the parameter key differ; send one of them.')
  }
  return String(header ?? query)
}

function invalid(detail: string): AppError {
  return new AppError('invalid_idempotency_key', detail)
}
