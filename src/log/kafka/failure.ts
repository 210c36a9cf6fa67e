import { AppError } from '../../errors.ts'

/** Names of the errors of the protocol in an error and all that stands behind it. */
export function apiIdsOf(error: unknown): readonly string[] {
  return chainOf(error).flatMap((each) =>
    'apiId' in each && typeof each.apiId === 'string' ? [each.apiId] : [],
  )
}

/** The brokers say that there is no topic of this name. */
export function isTopicUnknown(error: unknown): boolean {
  return chainOf(error).some(
    (each) => each.message.startsWith('Unknown topic') || isApi(each, 'UNKNOWN_TOPIC_OR_PARTITION'),
  )
}

/** The offset that was asked for is not in the log. */
export function isOutOfRange(error: unknown): boolean {
  return chainOf(error).some((each) => isApi(each, 'OFFSET_OUT_OF_RANGE'))
}

/** What the client throws, as what may succeed later. */
export function brokerAway(cause: unknown): AppError {
  return new AppError('store_unavailable', `Kafka does not answer: ${reasonOf(cause)}`, { cause })
}

/** The innermost reason: the client wraps it several times. */
function reasonOf(error: unknown): string {
  const chain = chainOf(error)
  const refusal = chain.find((each) => each.message.startsWith('SASL') || 'apiId' in each)
  const last = refusal ?? chain.findLast(({ message }) => message !== '')
  return last?.message ?? String(error)
}

function isApi(error: Error, id: string): boolean {
  return 'apiId' in error && error.apiId === id
}

/** The error, its causes and parts, from the outside in. */
function chainOf(error: unknown, depth = 0): readonly Error[] {
  if (!(error instanceof Error) || depth > 10) return []
  const parts = error instanceof AggregateError ? error.errors : []
  return [error, ...[...parts, error.cause].flatMap((each) => chainOf(each, depth + 1))]
}
