// Every failure that a caller can see has a code of this table. The table is closed: a client may
// switch over it, docs/errors.md is made from it, and a test holds the two together.

export interface ErrorKind {
  readonly status: number
  readonly title: string
  /** For the documentation: when it happens, and what the caller can do. */
  readonly about: string
  /** Sent as Retry-After: how long a caller should wait before the same request may succeed. */
  readonly retryAfterS?: number
}

export const ERRORS = {
  bad_request: {
    status: 400,
    title: 'Bad request',
    about: 'The request is not HTTP that can be read: its path encoding, a header, its framing.',
  },
  invalid_banner_id: {
    status: 400,
    title: 'Invalid banner id',
    about: 'A banner id is an integer from 1 to 2147483647, written plainly.',
  },
  invalid_idempotency_key: {
    status: 400,
    title: 'Invalid idempotency key',
    about: 'A key has 1 to 128 visible ASCII characters and is given once.',
  },
  invalid_parameter: {
    status: 400,
    title: 'Invalid parameter',
    about: 'A parameter is unknown, unreadable, missing, or given twice; `errors` names it.',
  },
  invalid_body: {
    status: 400,
    title: 'Invalid body',
    about: 'The body is not a JSON object in UTF-8.',
  },
  invalid_range: {
    status: 400,
    title: 'Invalid range',
    about: '`tsFrom` must be before `tsTo`.',
  },
  range_too_large: {
    status: 400,
    title: 'Range too large',
    about:
      'More is asked for than is answered at once, for instance more than 100,000 steps: ask for less.',
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    about: 'This needs `Authorization: Bearer` with a token: a change with the admin token.',
  },
  forbidden: {
    status: 403,
    title: 'Forbidden',
    about: 'The read token may not change anything: use the admin token.',
  },
  admin_token_required: {
    status: 403,
    title: 'Admin token required',
    about:
      'Without `ADMIN_TOKEN` banners are changed from the machine of the service only, and not through a proxy.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    about: 'There is nothing at this path, or its page was not built.',
  },
  wrong_role: {
    status: 404,
    title: 'Wrong role',
    about: 'This process only counts (`ROLE=aggregator`): ask one with `ROLE=api`.',
  },
  banner_not_found: {
    status: 404,
    title: 'Banner not found',
    about: 'No banner has this id.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    about: 'The path exists, the method does not; `Allow` lists those that do.',
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    about: 'The request did not arrive in time.',
  },
  banner_exists: {
    status: 409,
    title: 'Banner exists',
    about: 'A banner has, or had, this id. Ids are never given twice: choose another one, or none.',
  },
  banner_ids_exhausted: {
    status: 409,
    title: 'Banner ids exhausted',
    about: 'The service has given out its last id: give one of your own.',
  },
  banner_paused: {
    status: 410,
    title: 'Banner paused',
    about: 'The banner is paused; its clicks are not counted.',
  },
  banner_archived: {
    status: 410,
    title: 'Banner archived',
    about: 'The banner is archived; its clicks are not counted.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    about: 'A body may have at most 16 KiB.',
  },
  uri_too_long: {
    status: 414,
    title: 'URI too long',
    about: 'The request line does not fit 16 KiB.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    about: 'The body is compressed, or a change whose body does not say that it is JSON.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    about: 'The only `Expect` that is understood is `100-continue`.',
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    about: 'Request line and headers do not fit 16 KiB together, or are more than 200.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    about: 'Something failed here. The request id finds it in the log.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    about: 'Refused before it was taken in, so it was never counted: send it again later.',
    retryAfterS: 1,
  },
  store_unavailable: {
    status: 503,
    title: 'Store unavailable',
    about:
      'Not known to be durable in time. A click was counted at most once: resend it only with an idempotency key. A banner may have been changed: read it.',
    retryAfterS: 1,
  },
  too_many_streams: {
    status: 503,
    title: 'Too many streams',
    about: '`LIVE_MAX` readers follow the live counts already.',
    retryAfterS: 10,
  },
  not_ready: {
    status: 503,
    title: 'Not ready',
    about: 'The service cannot count at the moment; `parts` says why.',
    retryAfterS: 1,
  },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS

/** One field that is wrong, and the rule that it breaks. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/** An expected failure. `message` is the problem's `detail`: it says what to change. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly errors: readonly FieldError[] | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    options: { readonly errors?: readonly FieldError[]; readonly cause?: unknown } = {},
  ) {
    super(detail, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.errors = options.errors
  }

  /** Names every wrong field, in its text too: not every client shows `errors`. */
  static ofFields(errors: readonly FieldError[]): AppError {
    const list = errors.map(({ field, message }) => `${field} ${message}`).join('; ')
    return new AppError('invalid_parameter', `${list}.`, { errors })
  }
}

/** The store is away or its answer was lost: the same may succeed later. */
export function isUnavailable(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'store_unavailable'
}

/** The store will never take this batch, whatever is tried: its data is at fault, and nothing of it is stored. */
export class BatchRejected extends Error {
  override readonly name = 'BatchRejected'
}

/** What was said in the first place: for the log alone, as callers are not shown internals. */
export function reasonOf(error: Error): string {
  const { cause = error } = error
  // Connecting to a name with several addresses fails with one error for each.
  const first: unknown = cause instanceof AggregateError ? cause.errors[0] : cause
  return first instanceof Error ? first.message : String(first)
}

/**
 * Start-up or the service as a whole cannot go on, for a reason that an operator can mend.
 * `message` is the whole of what the operator reads; exit code 1, 2 for wrong configuration, or 3 if the
 * click log is not what was counted from: then a restart alone mends nothing.
 */
export class OperatorError extends Error {
  override readonly name = 'OperatorError'
  readonly exitCode: 1 | 2 | 3

  constructor(
    message: string,
    options: { readonly exitCode?: 1 | 2 | 3; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.exitCode = options.exitCode ?? 1
  }
}
