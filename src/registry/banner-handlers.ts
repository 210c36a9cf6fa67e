import type { FastifyReply, FastifyRequest } from 'fastify'
import { BANNER_ID_MAX, type Banner } from '../banner.ts'
import { AppError, type FieldError } from '../errors.ts'
import { bannerIdOf, queryOf, type Fields } from '../http/route.ts'
import type { BannerPage, BannerStore } from './banner-store.ts'

const LIMIT_MAX = 1_000

/** `GET /banners/:bannerId` */
export function getBanner(banners: Pick<BannerStore, 'find'>) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const id = bannerIdOf(request)
    const banner = await banners.find(id)
    if (banner === undefined) throw new AppError('banner_not_found', `There is no banner ${id}.`)
    return reply.header('cache-control', 'no-store').send(bannerBody(banner))
  }
}

/** `GET /banners?limit&after&archived`; `next` is there when more banners follow. */
export function listBanners(banners: Pick<BannerStore, 'list'>) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const page = parsePage(queryOf(request))
    // One more than asked for tells whether there is a next page.
    const found = await banners.list({ ...page, limit: page.limit + 1 })
    const shown = found.slice(0, page.limit)
    const next = found.length > shown.length ? { next: shown.at(-1)?.id } : {}
    return reply
      .header('cache-control', 'no-store')
      .send({ banners: shown.map(bannerBody), ...next })
  }
}

function bannerBody({ id, name, url, status, createdAt }: Banner) {
  return { id, name, url, status, createdAt: new Date(createdAt).toISOString() }
}

/** Throws `invalid_parameter`. */
function parsePage(query: Fields): BannerPage {
  const errors: FieldError[] = []
  const { limit = String(LIMIT_MAX), after = '0', archived = 'false', ...others } = query
  for (const field of Object.keys(others)) {
    errors.push({ field, message: 'is not a parameter here; known are limit, after, archived' })
  }
  const page = {
    limit: integerOf(limit, 1, LIMIT_MAX),
    after: integerOf(after, 0, BANNER_ID_MAX),
    withArchived: archived === 'true',
  }
  if (page.limit === undefined) {
    errors.push({ field: 'limit', message: `must be an integer from 1 to ${LIMIT_MAX}` })
  }
  if (page.after === undefined) {
    errors.push({ field: 'after', message: `must be an integer from 0 to ${BANNER_ID_MAX}` })
  }
  if (archived !== 'true' && archived !== 'false') {
    errors.push({ field: 'archived', message: 'must be true or false' })
  }
  if (errors.length > 0) throw AppError.ofFields(errors)
  return { ...page, limit: page.limit ?? LIMIT_MAX, after: page.after ?? 0 }
}

function integerOf(text: unknown, min: number, max: number): number | undefined {
  if (typeof text !== 'string' || !/^(?:0|[1-9]\d{0,9})$/.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}
