import type { FastifyReply, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { BANNER_FIELDS } from '../banner.ts'
import { parseFields } from '../fields.ts'
import { queryOf } from '../http/route.ts'
import { SECURITY_HEADERS } from '../http/security-headers.ts'
import type { BannerRegistry } from '../registry/banner-registry.ts'
import { knownBanner, type BannerStore } from '../registry/banner-store.ts'
import type { RecentCount } from '../store/count-store.ts'
import type { LiveFeed, LiveReader } from './live.ts'
import { formatMinute } from './steps.ts'

const COMMENT_INTERVAL_MS = 15_000
/**
 * What may wait for a reader when the next event comes, besides the first event; who is behind by more
 * is cut. The first one has megabytes where thousands of banners are clicked, and may take its time.
 */
const UNREAD_BYTES_MAX = 256 * 1024
const STREAM_HEADERS = {
  ...SECURITY_HEADERS,
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no', // a proxy that collects would hold every event back
}

/** `GET /live` */
export const LIVE = v.strictObject({
  banner: v.optional(v.pipe(BANNER_FIELDS.id, v.description('Only the counts of this banner.'))),
})

export interface LiveParts {
  readonly live: LiveFeed
  readonly banners: Pick<BannerStore, 'find'>
  readonly registry: Pick<BannerRegistry, 'checkLoaded'>
  /** For tests. */
  readonly commentIntervalMs?: number
}

/** `GET /live`: counts as server-sent events, as they change. */
export function getLive(parts: LiveParts) {
  const { live, commentIntervalMs = COMMENT_INTERVAL_MS } = parts
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const bannerId = await checkedBanner(parts, request)
    if (request.method === 'HEAD') return reply.headers(STREAM_HEADERS).send()
    stream(live, bannerId, reply, commentIntervalMs)
    return reply
  }
}

function stream(
  live: LiveFeed,
  bannerId: number | undefined,
  reply: FastifyReply,
  commentIntervalMs: number,
): void {
  const { raw } = reply
  if (raw.destroyed) return // it left while its banner was looked up, and will not close again
  let firstBytes: number | undefined
  const write = (text: string): void => {
    if (raw.writableLength > UNREAD_BYTES_MAX + (firstBytes ?? 0)) raw.destroy()
    else raw.write(text)
  }
  const reader: LiveReader = {
    bannerId,
    send(rows) {
      write(`event: counts\ndata: ${JSON.stringify(rows.map(rowOf))}\n\n`)
      if (firstBytes !== undefined) return
      firstBytes = raw.writableLength
      raw.once('drain', () => (firstBytes = 0))
    },
    end: () => void raw.end(),
  }
  live.add(reader) // throws before anything is written
  reply.hijack()
  raw.writeHead(200, STREAM_HEADERS)
  raw.flushHeaders()
  const comments = setInterval(() => write(': still here\n\n'), commentIntervalMs)
  raw.on('close', () => {
    clearInterval(comments)
    live.remove(reader)
  })
}

function rowOf({ bannerId, minute, count }: RecentCount) {
  return { timestamp: formatMinute(minute), bannerID: bannerId, count }
}

async function checkedBanner(
  { banners, registry }: Pick<LiveParts, 'banners' | 'registry'>,
  request: FastifyRequest,
): Promise<number | undefined> {
  const { banner: id } = parseFields(LIVE, { query: queryOf(request) })
  registry.checkLoaded()
  if (id !== undefined) knownBanner(id, await banners.find(id))
  return id
}
