import type { FastifyReply, FastifyRequest } from 'fastify'
import type * as v from 'valibot'
import { BANNER_ID_MAX, parseBannerId } from '../banner.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Fields, FieldsSchema } from '../fields.ts'
import type { Access } from './access.ts'

/** One line of the table of URLs. */
export interface Route {
  readonly methods: readonly string[]
  /** A find-my-way pattern: `/counter/:bannerId`. */
  readonly path: string
  readonly access: Access
  /** What its refusals carry, also those that are made before the handler is asked. */
  readonly refusalHeaders?: Readonly<Record<string, string>>
  readonly handle: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
  /** What the description of the API says of it. Preflights have none. */
  readonly operation?: Operation
}

/** A route as its callers see it; the OpenAPI document is made of these. */
export interface Operation {
  readonly id: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly query?: FieldsSchema
  readonly headers?: FieldsSchema
  readonly body?: {
    readonly schema: v.GenericSchema
    readonly isRequired: boolean
    readonly description: string
  }
  readonly answer: {
    readonly status: 200 | 201 | 204
    readonly description: string
    /** By content type. */
    readonly content?: Readonly<Record<string, Content>>
    /** By name; what they say. */
    readonly headers?: Readonly<Record<string, string>>
  }
  /** Whether it is answered 304 to whoever has it already. */
  readonly isConditional?: boolean
  /** Those that every route can answer with are not among them. */
  readonly errors: readonly ErrorCode[]
}

export interface Content {
  /** Text, where there is none. */
  readonly schema?: v.GenericSchema
  readonly example: unknown
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

/** The query's fields: strings, or arrays of strings where a field is given twice. */
export function queryOf(request: FastifyRequest): Fields {
  // Without a schema Fastify leaves the type open; fast-querystring returns an object.
  return request.query as Fields
}
