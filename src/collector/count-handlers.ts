import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { hasBody, skipBody } from '../http/body.ts'
import { measured } from '../http/measured-response.ts'
import { bannerIdOf, queryOf } from '../http/route.ts'
import { OPEN_SECURITY_HEADERS } from '../http/security-headers.ts'
import type { Metrics } from '../metrics.ts'
import { check, collect, type CollectorParts } from './collector.ts'
import { readKey } from './key.ts'

const ACCEPTED = '{"status":"accepted"}'
/** On every answer to a counting request, which any page may read. */
export const COUNT_ANSWER_HEADERS = {
  ...OPEN_SECURITY_HEADERS,
  'cache-control': 'no-store',
  'access-control-allow-origin': '*',
}
const ACCEPTED_HEADERS = {
  ...COUNT_ANSWER_HEADERS,
  'content-type': 'application/json; charset=utf-8',
  'content-length': String(ACCEPTED.length),
}
const PREFLIGHT_MAX_AGE_S = '86400'

export type CountParts = CollectorParts & {
  readonly metrics: Pick<Metrics, 'clicks' | 'refuse' | 'ackSeconds'>
}

/** `GET` and `POST /counter/:bannerId`: any body is read and ignored. */
export function countClick(parts: CountParts) {
  return (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    counted(parts, reply, () => {
      const id = bannerIdOf(request)
      if (!hasBody(request.raw)) return collect(parts, id, keyOf(request))
      return skipBody(request.raw).then(() => collect(parts, id, keyOf(request)))
    })
}

/** Runs one counting request: its metrics, its answer, and 200 only after `count` resolved. */
export function counted(
  { metrics }: CountParts,
  reply: FastifyReply,
  count: () => Promise<void>,
): Promise<FastifyReply> {
  metrics.clicks.received += 1
  const accept = (): FastifyReply => {
    metrics.clicks.accepted += 1
    // Straight to Node: nothing is left for Fastify to decide on the one answer that is sent often.
    const answer = reply.hijack().raw.writeHead(200, ACCEPTED_HEADERS)
    metrics.ackSeconds.observe(measured(answer).seconds)
    answer.end(ACCEPTED)
    return reply
  }
  const refuse = (error: unknown): never => {
    metrics.refuse(error instanceof AppError ? error.code : 'internal_error')
    setCountHeaders(reply)
    throw error
  }
  try {
    return count().then(accept, refuse)
  } catch (error) {
    return refuse(error)
  }
}

/** `HEAD /counter/:bannerId`: the status that GET would have; nothing is counted. */
export function headClick(parts: CountParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    setCountHeaders(reply)
    const id = bannerIdOf(request)
    if (hasBody(request.raw)) await skipBody(request.raw)
    keyOf(request)
    await check(parts, id)
    return reply.header('content-type', 'application/json; charset=utf-8').send(ACCEPTED)
  }
}

/**
 * `OPTIONS`: lets a page of any origin count with these methods. Only a preflight for one of them
 * gets the headers, so that no page is told that it may read statistics.
 */
export function countPreflight(counting: readonly string[], allowed: readonly string[]) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    void reply.header('allow', allowed.join(', ')).header('vary', 'Access-Control-Request-Method')
    if (counting.includes(request.headers['access-control-request-method'] ?? '')) {
      setCountHeaders(reply)
      void reply
        .header('access-control-allow-methods', counting.join(', '))
        .header('access-control-allow-headers', 'content-type, idempotency-key')
        .header('access-control-max-age', PREFLIGHT_MAX_AGE_S)
    }
    return reply.code(204).send()
  }
}

export function keyOf(request: FastifyRequest): string | undefined {
  const inQuery = queryOf(request)['key']
  if (typeof inQuery === 'string' && inQuery.includes('%')) checkEncoding(request.url)
  return readKey(request.raw.headers['idempotency-key'], inQuery)
}

/** The query's parser leaves `%FF` as it is, where it would be taken for the key of `%25FF`. */
function checkEncoding(url: string): void {
  const fields = url.slice(url.indexOf('?') + 1).split('&')
  const given = fields.filter((field) => /^(?:k|%6b)(?:e|%65)(?:y|%79)=/i.test(field))
  try {
    decodeURIComponent(given.join('&'))
  } catch (cause) {
    const detail = 'The parameter key is not valid percent-encoded UTF-8.'
    throw new AppError('invalid_idempotency_key', detail, { cause })
  }
}

function setCountHeaders(reply: FastifyReply): void {
  void reply.headers(COUNT_ANSWER_HEADERS)
}
