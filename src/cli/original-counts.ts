import { Client, type ClientConfig } from 'pg'
import { parseBannerId } from '../banner.ts'
import { OperatorError, reasonOf } from '../errors.ts'
import { HOUR_MS, MINUTE_MS } from '../minute.ts'
import type { ImportedCount } from '../store/import-store.ts'

/** A row is an hour of a banner: 60 minutes at most. */
const PAGE_ROWS = 100
const TIMEOUT_MS = 10_000
/** Sums of quarters of an hour fit 32 bits, with room for clicks to come. */
const COUNT_MAX = 100_000_000
const LAST_HOUR = Date.UTC(2100, 0)

export interface OriginalPage {
  readonly rows: number
  readonly counts: readonly ImportedCount[]
  /** What is no count of a banner's minute, one sentence each. */
  readonly skipped: readonly string[]
}

interface OriginalRow {
  readonly banner_id: string
  /** Unix seconds; infinite, too. */
  readonly hour: number | null
  readonly written: string
  /** The objects of all rows with this banner and hour. */
  readonly counts: readonly unknown[]
}

/**
 * Reads the original service's table `banner_stats (banner_id, hour_timestamp, counts)` by pages, in
 * one snapshot, hour by hour, as clicks would have come. A time without zone is UTC. Rows of one
 * banner and hour are added up.
 */
export async function* readOriginalCounts(connection: ClientConfig): AsyncGenerator<OriginalPage> {
  const client = new Client({ ...connection, connectionTimeoutMillis: TIMEOUT_MS })
  client.on('error', () => {}) // the next query fails, too
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    await client.query(
      `declare pages no scroll cursor for
       select banner_id::text, extract(epoch from hour_timestamp)::float8 as hour,
         hour_timestamp::text as written,
         jsonb_agg(counts) as counts
       from banner_stats group by banner_id, hour_timestamp order by hour_timestamp, banner_id`,
    )
    for (;;) {
      const { rows } = await client.query<OriginalRow>(`fetch ${PAGE_ROWS} from pages`)
      if (rows.length === 0) return
      yield pageOf(rows)
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new OperatorError(`Cannot read the original's table: ${reasonOf(error)}.`, {
      cause: error,
    })
  } finally {
    await client.end()
  }
}

function pageOf(rows: readonly OriginalRow[]): OriginalPage {
  const skipped: string[] = []
  const counts = rows.flatMap((row) => countsOf(row, (what) => skipped.push(what)))
  return { rows: rows.length, counts, skipped }
}

function countsOf(row: OriginalRow, skip: (what: string) => void): ImportedCount[] {
  const bannerId = parseBannerId(row.banner_id)
  const hour = row.hour === null ? Number.NaN : row.hour * 1_000
  if (!(hour >= 0 && hour < LAST_HOUR && hour % HOUR_MS === 0)) {
    skip(`banner ${row.banner_id}, hour ${row.written}: not the beginning of an hour since 1970`)
    return []
  }
  const place = `banner ${row.banner_id}, hour ${new Date(hour).toISOString()}`
  if (bannerId === undefined) {
    skip(`${place}: not a banner id`)
    return []
  }
  const byMinute = new Map<number, number>()
  for (const counts of row.counts) {
    if (!isObject(counts)) {
      skip(`${place}: ${JSON.stringify(counts)} is no object of minutes and counts`)
      continue
    }
    for (const [name, count] of Object.entries(counts)) {
      const minute = /^[0-5]?\d$/.test(name) ? Number(name) : Number.NaN
      const clicks = typeof count === 'number' && count >= 0 ? count : Number.NaN
      const sum = (byMinute.get(minute) ?? 0) + clicks
      const isCount = Number.isInteger(minute) && Number.isInteger(sum) && sum <= COUNT_MAX
      if (isCount) byMinute.set(minute, sum)
      else skip(`${place}: ${JSON.stringify({ [name]: count })} is not a minute and its count`)
    }
  }
  return [...byMinute]
    .filter(([, count]) => count > 0)
    .map(([minute, count]) => ({ bannerId, minute: hour + minute * MINUTE_MS, count }))
}

function isObject(counts: unknown): counts is Record<string, unknown> {
  return typeof counts === 'object' && counts !== null && !Array.isArray(counts)
}
