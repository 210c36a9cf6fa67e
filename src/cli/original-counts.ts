import { Client, type ClientConfig } from 'pg'
import { parseBannerId } from '../banner.ts'
import { OperatorError } from '../errors.ts'
import { MINUTE_MS } from '../minute.ts'
import type { ImportedCount } from '../store/import-store.ts'

/** A row is an hour of a banner: 60 minutes at most. */
const PAGE_ROWS = 100
const HOUR_MS = 3_600_000
const COUNT_MAX = 2_147_483_647

export interface OriginalPage {
  readonly rows: number
  readonly counts: readonly ImportedCount[]
  /** What is no count of a banner's minute, one sentence each. */
  readonly skipped: readonly string[]
}

interface OriginalRow {
  readonly banner_id: string
  /** Unix seconds. */
  readonly hour: number
  /** The objects of all rows with this banner and hour. */
  readonly counts: readonly unknown[]
}

/**
 * Reads the original service's table `banner_stats (banner_id, hour_timestamp, counts)` by pages, in
 * one snapshot. A time without zone is UTC. Rows of one banner and hour are added up.
 */
export async function* readOriginalCounts(connection: ClientConfig): AsyncGenerator<OriginalPage> {
  const client = new Client(connection)
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    await client.query(
      `declare pages no scroll cursor for
       select banner_id::text, extract(epoch from hour_timestamp)::float8 as hour,
         jsonb_agg(counts) as counts
       from banner_stats group by banner_id, hour_timestamp order by banner_id, hour_timestamp`,
    )
    for (;;) {
      const { rows } = await client.query<OriginalRow>(`fetch ${PAGE_ROWS} from pages`)
      if (rows.length === 0) return
      yield pageOf(rows)
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new OperatorError(`Cannot read the original's table: ${error.message}.`, { cause: error })
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
  const hour = row.hour * 1_000
  const place = `banner ${row.banner_id}, hour ${new Date(hour).toISOString()}`
  if (bannerId === undefined) {
    skip(`${place}: not a banner id`)
    return []
  }
  if (hour < 0 || hour % HOUR_MS !== 0) {
    skip(`${place}: not the beginning of an hour since 1970`)
    return []
  }
  const byMinute = new Map<number, number>()
  for (const [name, count] of row.counts.flatMap((each) => Object.entries(each ?? {}))) {
    const minute = /^[0-5]?\d$/.test(name) ? Number(name) : undefined
    if (minute === undefined || !Number.isInteger(count) || count < 0 || count > COUNT_MAX) {
      skip(`${place}: ${JSON.stringify({ [name]: count })} is not a minute and its count`)
    } else if (count > 0) {
      byMinute.set(minute, (byMinute.get(minute) ?? 0) + Number(count))
    }
  }
  return [...byMinute].map(([minute, count]) => ({
    bannerId,
    minute: hour + minute * MINUTE_MS,
    count,
  }))
}
