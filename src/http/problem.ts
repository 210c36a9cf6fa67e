import type { FastifyReply } from 'fastify'
import { ERRORS, type AppError, type ErrorCode, type ErrorKind } from '../errors.ts'
import { STATUS_CODES } from './node-http.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

const PROBLEM_TYPE = 'application/problem+json'

/** For answers that do not go through Fastify. */
export const PROBLEM_HEADERS = {
  ...SECURITY_HEADERS,
  'content-type': PROBLEM_TYPE,
  'cache-control': 'no-store',
}

export function problemType(code: ErrorCode): string {
  return `urn:tallymark:problem:${code}`
}

export function statusOf({ code }: AppError): number {
  return ERRORS[code].status
}

/** RFC 9457. `extra` are members of this kind of problem, and the request id of a 5xx. */
export function problemOf(error: AppError, extra: Readonly<Record<string, unknown>> = {}): string {
  const { status, title }: ErrorKind = ERRORS[error.code]
  return JSON.stringify({
    type: problemType(error.code),
    title,
    status,
    code: error.code,
    detail: error.message,
    ...(error.errors === undefined ? {} : { errors: error.errors }),
    ...extra,
  })
}

/** Answers with the error; headers that the handler set before stay. */
export function sendProblem(
  reply: FastifyReply,
  error: AppError,
  extra: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  const { status, retryAfterS }: ErrorKind = ERRORS[error.code]
  if (retryAfterS !== undefined) void reply.header('retry-after', String(retryAfterS))
  if (status === 401) void reply.header('www-authenticate', 'Bearer')
  const requestId = status >= 500 ? { requestId: reply.request.id } : {}
  return reply
    .code(status)
    .header('content-type', PROBLEM_TYPE)
    .header('cache-control', 'no-store')
    .send(Buffer.from(problemOf(error, { ...extra, ...requestId }))) // to text Fastify would add a charset
}

/** The whole HTTP/1.1 answer, for requests that never became one: they have only a socket. */
export function rawProblem(
  error: AppError,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly isHead?: boolean } = {},
): string {
  const status = statusOf(error)
  const body = problemOf(error)
  const headers = { ...PROBLEM_HEADERS, ...options.headers, connection: 'close' }
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    options.isHead === true ? '' : body,
  ].join('\r\n')
}
