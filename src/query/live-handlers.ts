import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { BANNER_FIELDS } from '../banner-fields.ts'
import { parseFields } from '../fields.ts'
import { queryOf } from '../http/route.ts'
import { SECURITY_HEADERS } from '../http/security-headers.ts'
import type { BannerRegistry } from '../registry/banner-registry.ts'
import { knownBanner, type BannerStore } from '../registry/banner-store.ts'
import type { MinuteCounts } from '../store/count-store.ts'
import { sharedTexts } from './live-text.ts'
import type { LiveFeed, LiveReader } from './live.ts'

const COMMENT_INTERVAL_MS = 15_000
/** A reader that has taken no piece of an event for so long is cut. */
const STALLED_MS = 10_000
const COMMENT = Buffer.from(': still here\n\n')
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
  /** For tests. */
  readonly stalledMs?: number
}

/** `GET /live`: counts as server-sent events, as they change. */
export function getLive(parts: LiveParts) {
  const textOf = sharedTexts()
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const bannerId = await checkedBanner(parts, request)
    if (request.method === 'HEAD') {
      parts.live.checkRoom()
      return reply.headers(STREAM_HEADERS).send()
    }
    stream(parts, bannerId, reply, textOf)
    return reply
  }
}

function stream(
  { live, commentIntervalMs = COMMENT_INTERVAL_MS, stalledMs = STALLED_MS }: LiveParts,
  bannerId: number | undefined,
  reply: FastifyReply,
  textOf: (changes: readonly MinuteCounts[]) => Iterable<Buffer>,
): void {
  const { raw, request } = reply
  const { socket } = request.raw
  // The server answers whoever has ended its side, but nothing else tells that a reader has left.
  if (socket.readableEnded) raw.destroy()
  if (raw.destroyed) return // it left while its banner was looked up, and will not close again
  let isBusy = false
  const write = (text: Iterable<Buffer>): void => {
    isBusy = true
    writePieces(raw, text, stalledMs, () => (isBusy = false))
  }
  const reader: LiveReader = {
    bannerId,
    get isBusy() {
      return isBusy
    },
    send: (changes) => write(textOf(changes)),
    end: () => void raw.end(),
  }
  live.add(reader) // throws before anything is written
  reply.hijack()
  raw.writeHead(200, STREAM_HEADERS)
  raw.flushHeaders()
  const comments = setInterval(() => {
    if (!isBusy) write([COMMENT])
  }, commentIntervalMs)
  socket.once('end', () => raw.destroy())
  raw.on('close', () => {
    clearInterval(comments)
    live.remove(reader)
  })
}

/**
 * At the pace of the reader, and each piece in a turn of the event loop of its own: an event has
 * megabytes where thousands of banners are clicked.
 */
function writePieces(
  raw: ServerResponse,
  pieces: Iterable<Buffer>,
  stalledMs: number,
  onWritten: () => void,
): void {
  const rest = pieces[Symbol.iterator]()
  const writeNext = (): void => {
    if (raw.destroyed || raw.writableEnded) return
    const { done, value } = rest.next()
    if (done === true) {
      onWritten()
      return
    }
    const stalled = setTimeout(() => raw.destroy(), stalledMs)
    raw.write(value, () => {
      clearTimeout(stalled)
      setImmediate(writeNext)
    })
  }
  writeNext()
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
