import type { FastifyReply, FastifyRequest } from 'fastify'
import { readBody } from '../http/body.ts'
import { parseObject } from '../http/json.ts'
import { queryOf } from '../http/route.ts'
import { knownBanner } from '../registry/banner-store.ts'
import type { Series } from '../store/count-store.ts'
import { chunksOf, sendPieces } from './formats.ts'
import { parseManySeriesQuery, type ManySeriesQuery } from './many-series-query.ts'
import { countsOfSteps } from './series.ts'
import { completeness, endsOf, type StatsParts } from './stats-handlers.ts'
import { stepFormatter } from './steps.ts'

/** What one banner has in the answer. */
interface Column {
  readonly head: {
    readonly bannerID: number
    readonly name: string
    readonly total: number
    readonly peak?: { readonly timestamp: string; readonly count: number } | null
  }
  /** One for each step. */
  readonly counts: Float64Array
}

/** `GET /series`: the series of several banners over the same steps, from one snapshot. */
export function getManySeries(parts: StatsParts) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const body = parseObject(request.raw, await readBody(request.raw))
    const query = parseManySeriesQuery({
      query: queryOf(request),
      body,
      now: () => parts.clock.now(),
    })
    parts.registry.checkLoaded()
    const names = await namesOf(parts, query.bannerIds)
    const { rows, ...snapshot } = await parts.counts.series(query.bannerIds, 'click', query.slices)
    const columns = rows.map((series, index) => columnOf(query, index, names, series, snapshot))
    const answer = {
      total: columns.reduce((sum, { head }) => sum + head.total, 0),
      completeness: completeness(parts, query, snapshot),
      rowsMax: query.starts.length * (columns.length + 1),
    }
    return sendPieces(reply, 'json', { ...answer, pieces: piecesOf(query, columns, answer) })
  }
}

/** In the order of the ids. Throws `banner_not_found`. */
async function namesOf(
  { banners }: Pick<StatsParts, 'banners'>,
  ids: readonly number[],
): Promise<readonly string[]> {
  const found = new Map((await banners.findAll(ids)).map((banner) => [banner.id, banner]))
  return ids.map((id) => knownBanner(id, found.get(id)).name)
}

function columnOf(
  query: ManySeriesQuery,
  index: number,
  names: readonly string[],
  series: Series,
  { minutesFrom }: { readonly minutesFrom: number },
): Column {
  const counts = countsOfSteps(query.starts, series)
  return {
    head: {
      bannerID: query.bannerIds[index] ?? 0,
      name: names[index] ?? '',
      total: counts.reduce((sum, count) => sum + count, 0),
      ...(query.withPeak && { peak: peakOf(query, series, minutesFrom) }),
    },
    counts,
  }
}

/**
 * The first of the minutes with the most clicks, where the series is one of minutes from `minutesFrom` on and
 * of quarters before it. Half a million
 * minutes take 1 ms; with `entries()` they took 4 to 16 ms.
 */
function peakOf({ zone, tz }: ManySeriesQuery, { at, count }: Series, minutesFrom: number) {
  let first = 0
  while ((at[first] ?? Infinity) < minutesFrom) first += 1
  for (let row = first + 1; row < count.length; row += 1) {
    if ((count[row] ?? 0) > (count[first] ?? 0)) first = row
  }
  const [peakAt, most] = [at[first], count[first]]
  if (peakAt === undefined || most === undefined) return null
  return { timestamp: stepFormatter(zone, tz === 'UTC')(peakAt), count: most }
}

/** The body as JSON, in pieces: it may have 100,000 steps. */
function* piecesOf(
  query: ManySeriesQuery,
  columns: readonly Column[],
  { completeness: closing, total }: { readonly completeness: object; readonly total: number },
): Generator<string> {
  const { starts, step, tz, zone } = query
  const head = { ...endsOf(query), step, tz, total }
  yield `${JSON.stringify(head).slice(0, -1)},"timestamps":`
  yield* arrayOf(starts.slice(0, -1), stepFormatter(zone, tz === 'UTC'))
  yield ',"banners":['
  for (const [index, column] of columns.entries()) {
    yield `${index === 0 ? '' : ','}${JSON.stringify(column.head).slice(0, -1)},"counts":`
    yield* arrayOf(column.counts, Number)
    yield '}'
  }
  yield `],${JSON.stringify(closing).slice(1)}`
}

function* arrayOf(
  values: Iterable<number>,
  shown: (value: number) => number | string,
): Generator<string> {
  let separator = '['
  for (const some of chunksOf(values)) {
    yield separator + JSON.stringify(some.map(shown)).slice(1, -1)
    separator = ','
  }
  yield ']'
}
