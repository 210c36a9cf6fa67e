import type { FastifyReply, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { BANNER_CHANGE, NEW_BANNER } from '../banner-fields.ts'
import { BANNER_ID_MAX, type Banner } from '../banner.ts'
import { integer, oneOf, parseFields } from '../fields.ts'
import { skipBody } from '../http/body.ts'
import { readObject } from '../http/json.ts'
import { bannerIdOf, queryOf } from '../http/route.ts'
import type { BannerRegistry } from './banner-registry.ts'
import { knownBanner, type BannerStore } from './banner-store.ts'

export interface BannerParts {
  readonly banners: BannerStore
  readonly registry: Pick<BannerRegistry, 'checkLoaded' | 'refresh'>
}

const LIMIT_MAX = 1_000

/** `GET /banners` */
export const BANNER_PAGE = v.strictObject({
  limit: v.optional(
    v.pipe(integer(1, LIMIT_MAX), v.description('How many banners at most.')),
    LIMIT_MAX,
  ),
  after: v.optional(
    v.pipe(
      integer(0, BANNER_ID_MAX),
      v.description('Only banners with larger ids: the `next` of the page before.'),
    ),
    0,
  ),
  archived: v.optional(
    v.pipe(oneOf(['true', 'false']), v.description('Whether archived banners are listed, too.')),
    'false',
  ),
})

const NO_PARAMETERS = v.strictObject({})

/** `GET /banners?limit&after&archived`; `next` is there when more banners follow. */
export function listBanners({ banners, registry }: BannerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { limit, after, archived } = parseFields(BANNER_PAGE, { query: queryOf(request) })
    registry.checkLoaded()
    // One more than asked for tells whether there is a next page.
    const page = { limit: limit + 1, after, withArchived: archived === 'true' }
    const found = await banners.list(page)
    const shown = found.slice(0, limit)
    const next = found.length > shown.length ? { next: shown.at(-1)?.id } : {}
    return send(reply, { banners: shown.map(bannerBody), ...next })
  }
}

/** `GET /banners/:bannerId` */
export function getBanner({ banners, registry }: BannerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const id = bannerIdOf(request)
    parseFields(NO_PARAMETERS, { query: queryOf(request) })
    registry.checkLoaded()
    return send(reply, bannerBody(knownBanner(id, await banners.find(id))))
  }
}

/** `POST /banners` */
export function addBanner({ banners, registry }: BannerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = await readObject(request.raw)
    parseFields(NO_PARAMETERS, { query: queryOf(request) })
    const given = parseFields(NEW_BANNER, { body })
    registry.checkLoaded()
    const banner = await banners.add(given)
    await registry.refresh()
    return send(reply.code(201).header('location', `/banners/${banner.id}`), bannerBody(banner))
  }
}

/** `PATCH /banners/:bannerId` */
export function changeBanner({ banners, registry }: BannerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const id = bannerIdOf(request)
    const body = await readObject(request.raw)
    parseFields(NO_PARAMETERS, { query: queryOf(request) })
    const change = parseFields(BANNER_CHANGE, { body })
    registry.checkLoaded()
    const isChange = Object.keys(change).length > 0
    const banner = knownBanner(id, await (isChange ? banners.change(id, change) : banners.find(id)))
    if (isChange) await registry.refresh()
    return send(reply, bannerBody(banner))
  }
}

/** `DELETE /banners/:bannerId`: archives it. What is counted stays, and a change brings it back. */
export function archiveBanner({ banners, registry }: BannerParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const id = bannerIdOf(request)
    await skipBody(request.raw)
    parseFields(NO_PARAMETERS, { query: queryOf(request) })
    registry.checkLoaded()
    knownBanner(id, await banners.change(id, { status: 'archived' }))
    await registry.refresh()
    return reply.code(204).header('cache-control', 'no-store').send()
  }
}

function send(reply: FastifyReply, body: unknown): FastifyReply {
  return reply.header('cache-control', 'no-store').send(body)
}

/** A banner as every answer shows it. */
export function bannerBody({ id, name, url, status, createdAt }: Banner) {
  return { id, name, url, status, createdAt: new Date(createdAt).toISOString() }
}
