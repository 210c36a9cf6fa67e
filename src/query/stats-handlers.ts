import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { readBody } from '../http/body.ts'
import { bannerIdOf, queryOf, type Fields } from '../http/route.ts'
import type { BannerStore } from '../registry/banner-store.ts'
import type { CountStore, Series } from '../store/count-store.ts'
import { formatInstant, formatMinute, isPartial, slicesOf } from './series.ts'
import { parseSeriesQuery, parseTotalsQuery, type Range } from './stats-query.ts'

export interface StatsParts {
  readonly counts: Pick<CountStore, 'series' | 'totals'>
  readonly banners: Pick<BannerStore, 'find'>
  readonly clock: Clock
  readonly ackTimeoutMs: number
}

/** `GET /stats/:bannerId`, the parameters in the query or a JSON body. */
export function getSeries(parts: StatsParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = parseBody(request, await readBody(request.raw))
    const range = parseSeriesQuery({ query: queryOf(request), body, now: parts.clock.now() })
    return sendSeries(parts, reply, bannerIdOf(request), range)
  }
}

/** `POST /stats/:bannerId` with a question; its body was read to know that it is one. */
export function postSeries(parts: StatsParts) {
  return (request: FastifyRequest, reply: FastifyReply, bytes: Buffer): Promise<FastifyReply> => {
    const body = parseBody(request, bytes)
    const range = parseSeriesQuery({ query: queryOf(request), body, now: undefined })
    return sendSeries(parts, reply, bannerIdOf(request), range)
  }
}

/** `GET /stats`: the total of each banner with clicks in the range. */
export function getTotals(parts: StatsParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = parseBody(request, await readBody(request.raw))
    const range = parseTotalsQuery({ query: queryOf(request), body, now: parts.clock.now() })
    const { rows, completeUntil } = await parts.counts.totals('click', slicesOf(range))
    return sendAnswer(reply, {
      tsFrom: formatMinute(range.from),
      tsTo: formatMinute(range.to),
      tz: 'UTC',
      total: rows.reduce((sum, { total }) => sum + total, 0),
      banners: rows.map(({ bannerId, name, total }) => ({ bannerID: bannerId, name, total })),
      ...completeness(parts, range, completeUntil),
    })
  }
}

async function sendSeries(
  parts: StatsParts,
  reply: FastifyReply,
  bannerId: number,
  range: Range,
): Promise<FastifyReply> {
  const banner = await parts.banners.find(bannerId)
  if (banner === undefined) {
    throw new AppError('banner_not_found', `There is no banner ${bannerId}.`)
  }
  const slices = [{ resolution: 'minute', from: range.from, to: range.to } as const]
  const { rows, completeUntil } = await parts.counts.series(bannerId, 'click', slices)
  return sendAnswer(reply, {
    bannerID: bannerId,
    name: banner.name,
    tsFrom: formatMinute(range.from),
    tsTo: formatMinute(range.to),
    step: 'minute',
    tz: 'UTC',
    total: rows.count.reduce((sum, count) => sum + count, 0),
    counts: countsOf(bannerId, rows),
    ...completeness(parts, range, completeUntil),
  })
}

interface Answer {
  readonly total: number
  readonly completeUntil: string
  readonly partial: boolean
}

/** The headers say the most important of the body again, for readers of all formats to come. */
function sendAnswer(reply: FastifyReply, answer: Answer & Fields): FastifyReply {
  return reply
    .headers({
      'cache-control': 'no-store',
      vary: 'Accept',
      'tallymark-total': answer.total,
      'tallymark-complete-until': answer.completeUntil,
      'tallymark-partial': String(answer.partial),
    })
    .send(answer)
}

function countsOf(bannerId: number, { at, count }: Series) {
  return Array.from(at, (minute, index) => ({
    timestamp: formatMinute(minute),
    bannerID: bannerId,
    count: count[index] ?? 0,
  }))
}

function completeness({ ackTimeoutMs }: StatsParts, { to }: Range, completeUntil: number) {
  return {
    completeUntil: formatInstant(completeUntil),
    partial: isPartial(to, completeUntil, ackTimeoutMs),
  }
}

/** The body's fields, read as JSON whatever type it names; {} where there is no body. */
function parseBody(request: FastifyRequest, bytes: Buffer): Fields {
  if (bytes.length === 0) return {}
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError('unsupported_media_type', 'Send the body without Content-Encoding.')
  }
  const value = parseJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('invalid_body', 'The body must be a JSON object.')
  }
  return { ...value }
}

/** Throws `invalid_body`. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AppError('invalid_body', 'The body is not JSON in UTF-8.', { cause })
  }
}
