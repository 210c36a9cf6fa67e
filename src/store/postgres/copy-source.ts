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
import { DAY_HOURS, DAY_MINUTES, emptyDay, HOUR_MINUTES, LatestDays, sum } from '../copied-days.ts'
import { codeOf } from '../rows.ts'
import { bannerOf } from './banners.ts'
import type { PostgresConnection, Row } from './connections.ts'
import { CopySession } from './copy-session.ts'

const CLICK = codeOf('click')

/** A Postgres as it is at one instant: a transaction holds its snapshot for as long as the copy takes. */
export class PostgresCopySource implements CopySource {
  readonly installation: string
  readonly #session: CopySession

  private constructor(session: CopySession, installation: string) {
    this.#session = session
    this.installation = installation
  }

  static async open(connection: PostgresConnection, label: string): Promise<PostgresCopySource> {
    await using building = new AsyncDisposableStack()
    const session = building.use(await CopySession.open(connection, label))
    await session.query('begin isolation level repeatable read read only')
    const source = new PostgresCopySource(session, await installationOf(session))
    building.move()
    return source
  }

  async state(): Promise<InstallationState> {
    const [row] = await this.#session.query(
      `select next_id::float8 as next_id, greatest(shared_instant(), (select max(instant) from positions),
           (select max(complete_until) from partitions))::float8 as instant,
         (select minutes_from from retention) as minutes_from,
         exists (select from partitions where is_open) as has_open_log
       from registry`,
    )
    return {
      nextId: Number(row?.['next_id']),
      instant: Number(row?.['instant']),
      minutesFrom: Number(row?.['minutes_from']) * MINUTE_MS,
      hasOpenLog: row?.['has_open_log'] === true,
    }
  }

  async *banners(): AsyncGenerator<CopiedBanner[]> {
    const pages = this.#pages(
      `select id, name, url, status, created_at::float8 as created_at, version::float8 as version
       from banners order by id`,
      PAGE_ROWS,
    )
    for await (const rows of pages) {
      yield rows.map((row) => ({ ...bannerOf(row), version: Number(row['version']) }))
    }
  }

  async *keys(): AsyncGenerator<CopiedKey[]> {
    const pages = this.#pages(
      `select banner_id, hash, counted_at::float8 as counted_at
       from keys order by banner_id, hash`,
      PAGE_ROWS,
    )
    for await (const rows of pages) {
      yield rows.map((row) => ({
        bannerId: Number(row['banner_id']),
        hash: row['hash'] as Buffer, // what the driver makes of bytea
        countedAt: Number(row['counted_at']),
      }))
    }
  }

  async *days(): AsyncGenerator<CountedDay[]> {
    const latest = await this.#latest()
    const pages = this.#pages(
      `select banner_id, day, counts from quarter_counts
       where tally = ${CLICK} order by banner_id, tally, day`,
      PAGE_DAYS,
    )
    for await (const rows of pages) {
      const days = rows.map((row) => {
        const day = emptyDay(slotOf(row))
        day.quarters.set(row['counts'] as number[]) // integer[]
        return day
      })
      await readHours(this.#session, days)
      await readImported(this.#session, days)
      for (const day of days) latest.moveTo(day)
      yield days
    }
    for (const days of chunks(latest.rest(), PAGE_DAYS)) {
      await readImported(this.#session, days)
      yield days
    }
  }

  async *totals(): AsyncGenerator<DayTotal[]> {
    const latest = await this.#latest()
    const pages = this.#pages(
      `select banner_id, day, count::float8 as count from day_counts
       where tally = ${CLICK} order by banner_id, tally, day`,
      PAGE_DAYS,
    )
    for await (const rows of pages) {
      const days = rows.map((row) => emptyDay(slotOf(row)))
      for (const day of days) latest.moveTo(day)
      await readImported(this.#session, days)
      yield days.map((day, index) => totalOf(day, Number(rows[index]?.['count'])))
    }
    for (const days of chunks(latest.rest(), PAGE_DAYS)) {
      await readImported(this.#session, days)
      yield days.map((day) => totalOf(day, 0))
    }
  }

  async #latest(): Promise<LatestDays> {
    const latest = new LatestDays()
    const rows = await this.#session.query(
      `select banner_id, minute, sum(count)::int as count from unmerged_deltas
       where tally = ${CLICK} group by banner_id, minute`,
    )
    for (const { banner_id, minute, count } of rows) {
      latest.add(Number(banner_id), Number(minute), Number(count))
    }
    return latest
  }

  async *#pages(text: string, size: number): AsyncGenerator<readonly Row[]> {
    await this.#session.query(`declare pages no scroll cursor for ${text}`)
    for (;;) {
      const rows = await this.#session.query(`fetch ${size} from pages`)
      if (rows.length === 0) break
      yield rows
    }
    await this.#session.query('close pages')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]()
  }
}

export async function installationOf(session: CopySession): Promise<string> {
  const [row] = await session.query(`select replace(id::text, '-', '') as id from installation`)
  return String(row?.['id'])
}

/** Days as two columns, to be unnested. */
export function slotColumns(slots: readonly DaySlot[]): number[][] {
  return [slots.map(({ bannerId }) => bannerId), slots.map(({ day }) => day)]
}

export async function readImported(
  session: CopySession,
  days: readonly (DaySlot & { readonly imported: Int32Array })[],
): Promise<void> {
  const rows = await session.query(
    `select place, minute, count
     from unnest($1::int[], $2::int[]) with ordinality as slot (banner_id, day, place)
     join imported_counts as stored on stored.banner_id = slot.banner_id
       and minute >= day * ${DAY_MINUTES} and minute < (day + 1) * ${DAY_MINUTES}`,
    slotColumns(days),
  )
  for (const { place, minute, count } of rows) {
    const slot = days[Number(place) - 1]
    if (slot !== undefined) slot.imported[Number(minute) % DAY_MINUTES] = Number(count)
  }
}

async function readHours(session: CopySession, days: readonly CountedDay[]): Promise<void> {
  const rows = await session.query(
    `select place, hour, counts
     from unnest($1::int[], $2::int[]) with ordinality as slot (banner_id, day, place)
     join minute_counts as stored on stored.banner_id = slot.banner_id and tally = ${CLICK}
       and hour >= day * ${DAY_HOURS} and hour < (day + 1) * ${DAY_HOURS}`,
    slotColumns(days),
  )
  for (const { place, hour, counts } of rows) {
    const at = (Number(hour) % DAY_HOURS) * HOUR_MINUTES
    days[Number(place) - 1]?.minutes.set(counts as number[], at) // integer[]
  }
}

function slotOf({ banner_id, day }: Row): DaySlot {
  return { bannerId: Number(banner_id), day: Number(day) }
}

/** `day` has what is not merged. */
function totalOf({ bannerId, day, minutes, imported }: CountedDay, merged: number): DayTotal {
  return { bannerId, day, total: merged + sum(minutes), imported: sum(imported) }
}

function* chunks<T>(all: Iterable<T>, size: number): Generator<T[]> {
  let chunk: T[] = []
  for (const each of all) {
    chunk.push(each)
    if (chunk.length < size) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
