import type { FastifyReply, FastifyRequest } from 'fastify'
import * as v from 'valibot'
import { collect } from './collector/collector.ts'
import {
  COUNT_ANSWER_HEADERS,
  counted,
  countClick,
  countPreflight,
  headClick,
  keyOf,
  type CountParts,
} from './collector/count-handlers.ts'
import { ACCEPTED, COUNT_ERRORS, COUNT_OPERATIONS } from './collector/count-operations.ts'
import { COUNT_HEADERS, COUNT_QUERY } from './collector/key.ts'
import { AppError } from './errors.ts'
import type { Fields } from './fields.ts'
import { checkRead, type Tokens } from './http/access.ts'
import { readBody } from './http/body.ts'
import { descriptionOf } from './http/description.ts'
import { healthz, metricsPage, readyz, type ReadyPart } from './http/health.ts'
import { METHODS } from './http/node-http.ts'
import { OPERATIONS } from './http/operations.ts'
import { pageFolder } from './http/page.ts'
import { bannerIdOf, queryOf, type Operation, type Route } from './http/route.ts'
import type { Metrics } from './metrics.ts'
import { getLive, type LiveParts } from './query/live-handlers.ts'
import { getManySeries } from './query/many-series.ts'
import { MANY_SERIES_ANSWER, MANY_SERIES_OPERATION } from './query/many-series-operations.ts'
import {
  SERIES_ANSWER,
  SERIES_CONTENT,
  SERIES_ERRORS,
  STATS_HEADERS,
  STATS_OPERATIONS,
  TOTALS_ANSWER,
} from './query/stats-operations.ts'
import { getSeries, getTotals, postSeries, type StatsParts } from './query/stats-handlers.ts'
import { POSTED_SERIES, SERIES, STATS_PARAMETERS } from './query/stats-query.ts'
import {
  addBanner,
  archiveBanner,
  changeBanner,
  getBanner,
  listBanners,
  type BannerParts,
} from './registry/banner-handlers.ts'
import { BANNER_ANSWER, BANNER_OPERATIONS } from './registry/banner-operations.ts'
import type { BannerRegistry } from './registry/banner-registry.ts'
import { VERSION } from './version.ts'

export type RouteParts = CountParts &
  StatsParts &
  LiveParts &
  BannerParts & {
    readonly registry: BannerRegistry
    readonly metrics: Metrics
    readonly tokens: Tokens
    readonly readiness: () => readonly ReadyPart[]
    /** Without it only the paths that watch the process are served. */
    readonly takesClicks: boolean
  }

// The blanks of JSON: \s has more.
const EMPTY_OBJECT = /^[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*$/

/** Every URL of the service. */
export function routes(parts: RouteParts): readonly Route[] {
  const table: readonly Route[] = [
    ...counting(parts),
    ...statistics(parts),
    ...banners(parts),
    ...operating(parts, () => openApiOf(table)),
  ]
  return parts.takesClicks ? table : [...table.filter(isOfEveryRole), ...ofAnotherRole(table)]
}

/** By which each process is watched, whatever its role. */
function isOfEveryRole({ path }: Route): boolean {
  return ['/healthz', '/readyz', '/metrics'].includes(path)
}

/** A process that only counts has no answers, and says so before it asks who wants one, and how. */
function ofAnotherRole(table: readonly Route[]): Route[] {
  const others = table.filter((route) => !isOfEveryRole(route))
  return [...Map.groupBy(others, ({ path }) => path)].map(([path, [route]]) => ({
    ...route,
    methods: METHODS.filter((method) => method !== 'CONNECT'),
    path,
    access: 'open',
    handle() {
      throw new AppError(
        'wrong_role',
        'This process only counts (ROLE=aggregator). Ask one with ROLE=api.',
      )
    },
  }))
}

const COUNTER_METHODS = ['GET', 'HEAD', 'POST', 'OPTIONS'] as const

function counting(parts: RouteParts): Route[] {
  const path = '/counter/:bannerId'
  const [access, refusalHeaders] = ['open', COUNT_ANSWER_HEADERS] as const
  return [
    {
      methods: ['POST', 'GET'],
      path,
      access,
      refusalHeaders,
      handle: countClick(parts),
      operation: COUNT_OPERATIONS.countClick,
    },
    {
      methods: ['HEAD'],
      path,
      access,
      refusalHeaders,
      handle: headClick(parts),
      operation: COUNT_OPERATIONS.wouldCount,
    },
    {
      methods: ['OPTIONS'],
      path,
      access,
      refusalHeaders,
      handle: countPreflight(['GET', 'POST'], COUNTER_METHODS),
    },
    {
      methods: ['OPTIONS'],
      path: '/stats/:bannerId',
      access: 'open',
      handle: countPreflight(['POST'], COUNTER_METHODS),
    },
  ]
}

function statistics(parts: RouteParts): Route[] {
  const path = '/stats/:bannerId'
  return [
    {
      methods: ['GET', 'HEAD'],
      path,
      access: 'read',
      handle: getSeries(parts),
      operation: STATS_OPERATIONS.readSeries,
    },
    {
      methods: ['POST'],
      path,
      access: 'open',
      handle: countOrRead(parts),
      operation: COUNT_OR_READ,
    },
    {
      methods: ['GET', 'HEAD'],
      path: '/stats',
      access: 'read',
      handle: getTotals(parts),
      operation: STATS_OPERATIONS.readTotals,
    },
    {
      methods: ['GET', 'HEAD'],
      path: '/series',
      access: 'read',
      handle: getManySeries(parts),
      operation: MANY_SERIES_OPERATION,
    },
    {
      methods: ['GET', 'HEAD'],
      path: '/live',
      access: 'read',
      handle: getLive(parts),
      operation: STATS_OPERATIONS.followCounts,
    },
  ]
}

function banners(parts: RouteParts): Route[] {
  const path = '/banners/:bannerId'
  return [
    {
      methods: ['GET', 'HEAD'],
      path: '/banners',
      access: 'read',
      handle: listBanners(parts),
      operation: BANNER_OPERATIONS.listBanners,
    },
    {
      methods: ['POST'],
      path: '/banners',
      access: 'change',
      handle: addBanner(parts),
      operation: BANNER_OPERATIONS.addBanner,
    },
    {
      methods: ['GET', 'HEAD'],
      path,
      access: 'read',
      handle: getBanner(parts),
      operation: BANNER_OPERATIONS.readBanner,
    },
    {
      methods: ['PATCH'],
      path,
      access: 'change',
      handle: changeBanner(parts),
      operation: BANNER_OPERATIONS.changeBanner,
    },
    {
      methods: ['DELETE'],
      path,
      access: 'change',
      handle: archiveBanner(parts),
      operation: BANNER_OPERATIONS.archiveBanner,
    },
  ]
}

function operating(
  { registry, readiness, metrics }: RouteParts,
  description: () => Promise<object>,
): Route[] {
  const methods = ['GET', 'HEAD'] as const
  return [
    { methods, path: '/healthz', access: 'open', handle: healthz, operation: OPERATIONS.healthz },
    {
      methods,
      path: '/readyz',
      access: 'open',
      handle: readyz(registry, readiness),
      operation: OPERATIONS.readyz,
    },
    {
      methods,
      path: '/metrics',
      access: 'read',
      handle: metricsPage(metrics),
      operation: OPERATIONS.metrics,
    },
    {
      methods,
      path: '/openapi.json',
      access: 'open',
      handle: descriptionOf(description),
      operation: OPERATIONS.openapi,
    },
    ...pages(),
  ]
}

/** Of docs/index.html. */
const DOCS_FILES = ['docs.js', 'swagger-ui-bundle.js', 'swagger-ui.css']

function pages(): Route[] {
  const methods = ['GET', 'HEAD'] as const
  const access = 'open'
  const dashboard = pageFolder('dashboard', 'checked')
  const assets = pageFolder('dashboard/assets', 'hashed')
  const docs = pageFolder('docs', 'checked')
  return [
    {
      methods,
      path: '/',
      access,
      handle: dashboard('index.html'),
      operation: OPERATIONS.dashboard,
    },
    { methods, path: '/assets/:file', access, handle: assets() },
    { methods, path: '/docs', access, handle: docs('index.html'), operation: OPERATIONS.docs },
    ...DOCS_FILES.map((file): Route => ({
      methods,
      path: `/docs/${file}`,
      access,
      handle: docs(file),
    })),
  ]
}

/** The API as an OpenAPI document. Loaded when it is asked for: few are, and they stay small. */
export async function openApiOf(table: readonly Route[]): Promise<object> {
  const { openApi } = await import('./http/openapi.ts')
  return openApi(table.map(withWrongRole), { version: VERSION, schemas: SCHEMAS, tags: TAGS })
}

/** A process of another role has the path, too. */
function withWrongRole(route: Route): Route {
  const { operation } = route
  if (operation === undefined || isOfEveryRole(route)) return route
  return { ...route, operation: { ...operation, errors: [...operation.errors, 'wrong_role'] } }
}

const TAGS = {
  Counting: 'Open to everybody, from pages of any origin.',
  Statistics: 'Need a token if `READ_TOKEN` is set.',
  Banners:
    'Reading needs a token if `READ_TOKEN` is set; changing needs the admin token, or without one a request from this machine.',
  Operating: 'For those who run the service.',
} as const

const SCHEMAS = {
  Banner: BANNER_ANSWER,
  Series: SERIES_ANSWER,
  ManySeries: MANY_SERIES_ANSWER,
  Totals: TOTALS_ANSWER,
}

const COUNT_OR_READ: Operation = {
  id: 'countOrReadSeries',
  tag: 'Statistics',
  summary: 'Clicks of one banner, or count a click',
  description:
    'With a body other than `{}`, or a statistics parameter in the query, a question; without, a click as by `POST /counter/{bannerId}`, which is open to everybody. A parameter stands in the body or in the query, not in both. The body is read as JSON whatever type it names.',
  headers: COUNT_HEADERS,
  query: v.strictObject({ ...SERIES.entries, ...COUNT_QUERY.entries }),
  body: {
    schema: POSTED_SERIES,
    isRequired: false,
    description: 'The question. Without it, or with `{}`, a click is counted.',
  },
  answer: {
    status: 200,
    description: 'The counts; or accepted, where a click was counted.',
    headers: STATS_HEADERS,
    content: {
      ...SERIES_CONTENT,
      'application/json': {
        ...SERIES_CONTENT['application/json'],
        schema: v.union([SERIES_ANSWER, ACCEPTED]),
      },
    },
  },
  errors: [...new Set([...SERIES_ERRORS, ...COUNT_ERRORS])],
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
    checkRead(parts.tokens, request.raw)
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
