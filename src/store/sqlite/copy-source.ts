import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { MINUTE_MS } from '../../minute.ts'
import {
  PAGE_DAYS,
  PAGE_ROWS,
  type CopiedBanner,
  type CopiedKey,
  type CopySource,
  type CountedDay,
  type DaySlot,
  type DayTotal,
  type InstallationState,
} from '../copy-store.ts'
import { DAY_MINUTES, DAY_QUARTERS, emptyDay, LatestDays, sum } from '../copied-days.ts'
import { codeOf, statusOf } from '../rows.ts'
import { asSentence } from './failure.ts'
import { openGuest } from './guest.ts'
import { blobOf, unpackDeltas } from './packed.ts'
import { storedInstant } from './reads.ts'

const CLICK = codeOf('click')

/**
 * The embedded store as it is at one instant, beside a service that may be at work on it. As long as it
 * is open the write-ahead log grows.
 */
export class SqliteCopySource implements CopySource {
  readonly installation: string
  readonly #folder: string
  readonly #database: DatabaseSync

  constructor(folder: string) {
    this.#folder = folder
    using building = new DisposableStack()
    this.#database = building.use(openGuest(folder, false))
    this.installation = asSentence(folder, () => {
      this.#database.exec('begin')
      return installationOf(this.#database)
    })
    building.move()
  }

  async state(): Promise<InstallationState> {
    return asSentence(this.#folder, () => {
      const row = this.#database.prepare('select next_id from registry').get()
      const kept = this.#database.prepare('select minutes_from from retention').get()
      return {
        nextId: Number(row?.['next_id']),
        instant: storedInstant(this.#database),
        minutesFrom: Number(kept?.['minutes_from']) * MINUTE_MS,
        hasOpenLog: false,
      }
    })
  }

  async *banners(): AsyncGenerator<CopiedBanner[]> {
    const rows = this.#rows(
      'select id, name, url, status, created_at, version from banners order by id',
    )
    yield* pagesOf(rows, PAGE_ROWS, (row) => ({
      id: Number(row['id']),
      name: String(row['name']),
      url: row['url'] === null ? null : String(row['url']),
      status: statusOf(row['status']),
      createdAt: Number(row['created_at']),
      version: Number(row['version']),
    }))
  }

  async *keys(): AsyncGenerator<CopiedKey[]> {
    const rows = this.#rows('select banner_id, hash, counted_at from keys order by banner_id, hash')
    yield* pagesOf(rows, PAGE_ROWS, (row) => ({
      bannerId: Number(row['banner_id']),
      hash: blobOf(row['hash']),
      countedAt: Number(row['counted_at']),
    }))
  }

  async *days(): AsyncGenerator<CountedDay[]> {
    const latest = this.#latest()
    // By the primary key: SQLite sorts nothing.
    const rows = this.#rows(
      `select banner_id, quarter, count from quarter_counts
       where tally = ${CLICK} order by banner_id, tally, quarter`,
    )
    yield* pagesOf(daysOf(rows), PAGE_DAYS, (day) => {
      this.#readMinutes(day)
      latest.moveTo(day)
      return day
    })
    yield* pagesOf(latest.rest(), PAGE_DAYS, (day) => {
      this.#readImported(day)
      return day
    })
  }

  async *totals(): AsyncGenerator<DayTotal[]> {
    const latest = this.#latest()
    const totalOf = (day: CountedDay, merged: number): DayTotal => {
      this.#readImported(day)
      const { bannerId, minutes, imported } = day
      return { bannerId, day: day.day, total: merged + sum(minutes), imported: sum(imported) }
    }
    const rows = this.#rows(
      `select banner_id, day, count from day_counts where tally = ${CLICK} order by banner_id, tally, day`,
    )
    yield* pagesOf(rows, PAGE_DAYS, (row) => {
      const day = emptyDay(slotOf(row))
      latest.moveTo(day)
      return totalOf(day, Number(row['count']))
    })
    yield* pagesOf(latest.rest(), PAGE_DAYS, (day) => totalOf(day, 0))
  }

  #rows(sql: string): Iterable<Record<string, SQLOutputValue>> {
    return asSentence(this.#folder, () => this.#database.prepare(sql).iterate())
  }

  #latest(): LatestDays {
    const latest = new LatestDays()
    for (const row of this.#rows('select deltas from unmerged')) {
      for (const { bannerId, minute, count } of unpackDeltas(blobOf(row['deltas']))) {
        latest.add(bannerId, minute / MINUTE_MS, count)
      }
    }
    return latest
  }

  #readMinutes(day: CountedDay): void {
    readPlaces(this.#database, day, 'minute_counts', `and tally = ${CLICK}`, day.minutes)
    this.#readImported(day)
  }

  #readImported(day: CountedDay): void {
    readPlaces(this.#database, day, 'imported_counts', '', day.imported)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close()
  }
}

export function installationOf(database: DatabaseSync): string {
  return String(database.prepare('select id from installation').get()?.['id'])
}

/** Reads one banner's minutes of a day from a table that has them. */
export function readPlaces(
  database: DatabaseSync,
  { bannerId, day }: DaySlot,
  table: 'minute_counts' | 'imported_counts',
  condition: string,
  counts: Int32Array,
): void {
  const rows = database
    .prepare(
      `select minute, count from ${table}
       where banner_id = ? ${condition} and minute >= ? and minute < ?`,
    )
    .iterate(bannerId, day * DAY_MINUTES, (day + 1) * DAY_MINUTES)
  for (const { minute, count } of rows) {
    counts[Number(minute) - day * DAY_MINUTES] = Number(count)
  }
}

function slotOf(row: Record<string, SQLOutputValue>): DaySlot {
  return { bannerId: Number(row['banner_id']), day: Number(row['day']) }
}

/** Quarters by banner and time, as days. */
function* daysOf(rows: Iterable<Record<string, SQLOutputValue>>): Generator<CountedDay> {
  let current: CountedDay | undefined
  for (const row of rows) {
    const [bannerId, quarter] = [Number(row['banner_id']), Number(row['quarter'])]
    const day = Math.floor(quarter / DAY_QUARTERS)
    if (current?.bannerId !== bannerId || current.day !== day) {
      if (current !== undefined) yield current
      current = emptyDay({ bannerId, day })
    }
    current.quarters[quarter - day * DAY_QUARTERS] = Number(row['count'])
  }
  if (current !== undefined) yield current
}

function* pagesOf<Row, T>(
  rows: Iterable<Row>,
  size: number,
  parse: (row: Row) => T,
): Generator<T[]> {
  let page: T[] = []
  for (const row of rows) {
    page.push(parse(row))
    if (page.length < size) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
