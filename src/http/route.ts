import type { FastifyReply, FastifyRequest } from 'fastify'
import { BANNER_ID_MAX, parseBannerId } from '../banner.ts'
import { AppError } from '../errors.ts'

type Method = 'GET' | 'HEAD' | 'POST' | 'OPTIONS'

/** One line of the table of URLs. */
export interface Route {
  readonly methods: readonly Method[]
  /** A find-my-way pattern: `/counter/:bannerId`. */
  readonly path: string
  /** `read`: needs a token if READ_TOKEN is set. */
  readonly access: 'open' | 'read'
  readonly handle: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
}

/** The id in the path. Throws `invalid_banner_id`. */
export function bannerIdOf(request: FastifyRequest): number {
  // Fastify types parameters per route; the table holds routes of all kinds.
  const { bannerId = '' } = request.params as Record<string, string | undefined>
  const id = parseBannerId(bannerId)
  if (id !== undefined) return id
  throw new AppError(
    'invalid_banner_id',
    `The banner id must be an integer from 1 to ${BANNER_ID_MAX}, written plainly.`,
  )
}

/** A query's or a body's fields before anything is known of them. */
export type Fields = Readonly<Record<string, unknown>>

/** The query's fields: strings, or arrays of strings where a field is given twice. */
export function queryOf(request: FastifyRequest): Fields {
  // Without a schema Fastify leaves the type open; fast-querystring returns an object.
  return request.query as Fields
}
