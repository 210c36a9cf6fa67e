import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import { readBody } from '../http/body.ts'
import { parseObject } from '../http/json.ts'
import { bannerIdOf, queryOf } from '../http/route.ts'
import type { BannerRegistry } from '../registry/banner-registry.ts'
import { knownBanner, type BannerStore } from '../registry/banner-store.ts'
import type { CountStore, Series, Snapshot } from '../store/count-store.ts'
import { acceptedFormat, sendAnswer, type Answer } from './formats.ts'
import { countsOfSteps, formatInstant, isPartial, slicesOf, slicesOfSteps } from './series.ts'
import { parseSeriesQuery, parseTotalsQuery, type Range, type SeriesQuery } from './stats-query.ts'
import { stepFormatter } from './steps.ts'
import { zoneOf, type Zone } from './zone.ts'

export interface StatsParts {
  readonly counts: Pick<CountStore, 'series' | 'totals'>
  readonly banners: Pick<BannerStore, 'find' | 'findAll'>
  readonly registry: Pick<BannerRegistry, 'checkLoaded'>
  readonly clock: Clock
  readonly ackTimeoutMs: number
}

/** `GET /stats/:bannerId`, the parameters in the query or a JSON body. */
export function getSeries(parts: StatsParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = parseObject(request.raw, await readBody(request.raw))
    const range = parseSeriesQuery({ query: queryOf(request), body, now: () => parts.clock.now() })
    return sendSeries(parts, reply, bannerIdOf(request), range)
  }
}

/** `POST /stats/:bannerId` with a question; its body was read to know that it is one. */
export function postSeries(parts: StatsParts) {
  return (request: FastifyRequest, reply: FastifyReply, bytes: Buffer): Promise<FastifyReply> => {
    const body = parseObject(request.raw, bytes)
    const range = parseSeriesQuery({ query: queryOf(request), body, now: undefined })
    return sendSeries(parts, reply, bannerIdOf(request), range)
  }
}

/** `GET /stats`: the total of each banner with clicks in the range. */
export function getTotals(parts: StatsParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = parseObject(request.raw, await readBody(request.raw))
    const range = parseTotalsQuery({ query: queryOf(request), body, now: () => parts.clock.now() })
    parts.registry.checkLoaded()
    const { rows, ...snapshot } = await parts.counts.totals('click', slicesOf(range))
    return sendAnswer(reply, range.format ?? acceptedFormat(request), {
      head: { ...endsOf(range), tz: range.tz },
      total: rows.reduce((sum, { total }) => sum + total, 0),
      rowsAs: 'banners',
      columns: ['bannerID', 'name', 'total'],
      rows: rows
        .slice(0, range.top)
        .map(({ bannerId, name, total }) => ({ bannerID: bannerId, name, total })),
      rowsMax: rows.length,
      completeness: completeness(parts, range, snapshot),
    })
  }
}

async function sendSeries(
  parts: StatsParts,
  reply: FastifyReply,
  bannerId: number,
  query: SeriesQuery,
): Promise<FastifyReply> {
  parts.registry.checkLoaded()
  const answer = await answerSeries(parts, bannerId, query)
  return sendAnswer(reply, query.format ?? acceptedFormat(reply.request), answer)
}

const NO_ROWS: Series = { at: new Float64Array(), count: new Float64Array() }

/** The answer to a question about one banner. Throws `banner_not_found`. */
export async function answerSeries(
  parts: Pick<StatsParts, 'ackTimeoutMs'> & {
    readonly banners: Pick<BannerStore, 'find'>
    readonly counts: Pick<CountStore, 'series'>
  },
  bannerId: number,
  query: SeriesQuery,
) {
  const banner = knownBanner(bannerId, await parts.banners.find(bannerId))
  const slices = slicesOfSteps(query.starts)
  const {
    rows: [rows = NO_ROWS],
    ...snapshot
  } = await parts.counts.series([bannerId], 'click', slices)
  return {
    head: {
      bannerID: bannerId,
      name: banner.name,
      ...endsOf(query),
      step: query.step,
      tz: query.tz,
    },
    total: rows.count.reduce((sum, count) => sum + count, 0),
    rowsAs: 'counts',
    columns: ['timestamp', 'bannerID', 'count'],
    rows: countsOf(bannerId, query, rows),
    rowsMax: query.fill === 'none' ? rows.at.length : query.starts.length,
    completeness: completeness(parts, query, snapshot),
  } satisfies Answer
}

/** The range that was read, in the words of its zone. */
export function endsOf({
  from,
  to,
  tz,
  zone,
}: Range & { readonly tz: string; readonly zone: Zone }) {
  const format = stepFormatter(zone, tz === 'UTC')
  return { tsFrom: format(from), tsTo: format(to) }
}

function* countsOf(bannerId: number, { starts, fill, tz, zone }: SeriesQuery, rows: Series) {
  const format = stepFormatter(zone, tz === 'UTC')
  for (const [step, count] of countsOfSteps(starts, rows).entries()) {
    if (count === 0 && fill === 'none') continue
    yield { timestamp: format(starts[step] ?? 0), bannerID: bannerId, count }
  }
}

export function completeness(
  { ackTimeoutMs }: Pick<StatsParts, 'ackTimeoutMs'>,
  { from, to, tz }: Range & { readonly tz: string },
  { completeUntil, minutesFrom }: Omit<Snapshot<unknown>, 'rows'>,
) {
  return {
    completeUntil: formatInstant(completeUntil),
    partial: isPartial(to, completeUntil, ackTimeoutMs),
    ...(from < minutesFrom && minutesFrom > 0 && { minutesFrom: minuteIn(tz, minutesFrom) }),
  }
}

/** A minute that may be far from the range, and so beyond the zone of that. */
function minuteIn(tz: string, at: number): string {
  return stepFormatter(zoneOf(tz, { from: at, to: at }), tz === 'UTC')(at)
}
