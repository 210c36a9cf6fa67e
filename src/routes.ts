import type { FastifyReply, FastifyRequest } from 'fastify'
import { collect } from './collector/collector.ts'
import {
  counted,
  countClick,
  countPreflight,
  headClick,
  keyOf,
  type CountParts,
} from './collector/count-handlers.ts'
import { AppError } from './errors.ts'
import { checkRead, type Tokens } from './http/access.ts'
import { readBody } from './http/body.ts'
import { healthz, metricsPage, readyz } from './http/health.ts'
import { bannerIdOf, queryOf, type Fields, type Route } from './http/route.ts'
import type { Metrics } from './metrics.ts'
import { getLive, type LiveParts } from './query/live-handlers.ts'
import { getSeries, getTotals, postSeries, type StatsParts } from './query/stats-handlers.ts'
import { STATS_PARAMETERS } from './query/stats-query.ts'
import { getBanner, listBanners } from './registry/banner-handlers.ts'
import type { BannerRegistry } from './registry/banner-registry.ts'
import type { BannerStore } from './registry/banner-store.ts'

export type RouteParts = CountParts &
  StatsParts &
  LiveParts & {
    readonly registry: BannerRegistry
    readonly banners: BannerStore
    readonly metrics: Metrics
    readonly tokens: Tokens
  }

// The blanks of JSON: \s has more.
const EMPTY_OBJECT = /^[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*$/

/** Every URL of the service. */
export function routes(parts: RouteParts): readonly Route[] {
  const { registry, sink, banners, metrics } = parts
  const counter = ['GET', 'HEAD', 'POST', 'OPTIONS'] as const
  return [
    {
      methods: ['GET', 'POST'],
      path: '/counter/:bannerId',
      access: 'open',
      handle: countClick(parts),
    },
    { methods: ['HEAD'], path: '/counter/:bannerId', access: 'open', handle: headClick(parts) },
    {
      methods: ['OPTIONS'],
      path: '/counter/:bannerId',
      access: 'open',
      handle: countPreflight(['GET', 'POST'], counter),
    },
    { methods: ['GET', 'HEAD'], path: '/stats', access: 'read', handle: getTotals(parts) },
    {
      methods: ['GET', 'HEAD'],
      path: '/stats/:bannerId',
      access: 'read',
      handle: getSeries(parts),
    },
    { methods: ['GET', 'HEAD'], path: '/live', access: 'read', handle: getLive(parts) },
    { methods: ['POST'], path: '/stats/:bannerId', access: 'open', handle: countOrRead(parts) },
    {
      methods: ['OPTIONS'],
      path: '/stats/:bannerId',
      access: 'open',
      handle: countPreflight(['POST'], counter),
    },
    { methods: ['GET', 'HEAD'], path: '/banners', access: 'read', handle: listBanners(banners) },
    {
      methods: ['GET', 'HEAD'],
      path: '/banners/:bannerId',
      access: 'read',
      handle: getBanner(banners),
    },
    { methods: ['GET', 'HEAD'], path: '/healthz', access: 'open', handle: healthz },
    { methods: ['GET', 'HEAD'], path: '/readyz', access: 'open', handle: readyz(registry, sink) },
    { methods: ['GET', 'HEAD'], path: '/metrics', access: 'read', handle: metricsPage(metrics) },
  ]
}

/**
 * `POST /stats/:bannerId` has two meanings: without a question it counts a click, as the original
 * service did. Only after its query and body are read is it known which one this is.
 */
function countOrRead(parts: RouteParts) {
  const read = postSeries(parts)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = await readBody(request.raw).catch(asRefusal)
    if (isClick(queryOf(request), body)) {
      return counted(parts, reply, () => collect(parts, bannerIdOf(request), keyOf(request)))
    }
    bannerIdOf(request)
    checkRead(parts.tokens, request.headers.authorization)
    if (body instanceof AppError) throw body
    return read(request, reply, body)
  }
}

/** A body that cannot be read is no click; who may not read is told so before its size is judged. */
function asRefusal(error: unknown): AppError {
  if (error instanceof AppError) return error
  throw error
}

function isClick(query: Fields, body: Buffer | AppError): boolean {
  if (body instanceof AppError) return false
  if (STATS_PARAMETERS.some((name) => Object.hasOwn(query, name))) return false
  return body.length === 0 || EMPTY_OBJECT.test(body.toString())
}
