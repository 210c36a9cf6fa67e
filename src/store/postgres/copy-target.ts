import { OperatorError } from '../../errors.ts'
import { MINUTE_MS } from '../../minute.ts'
import type {
  CopiedBanner,
  CopiedKey,
  CopyTarget,
  CountedDay,
  DaySlot,
  InstallationState,
  TakenTotal,
} from '../copy-store.ts'
import {
  DAY_HOURS,
  DAY_MINUTES,
  emptyMemory,
  gainOf,
  HOUR_MINUTES,
  sum,
  type Gain,
  type RememberedDay,
} from '../copied-days.ts'
import { codeOf } from '../rows.ts'
import { bannerOf } from './banners.ts'
import type { PostgresConnection } from './connections.ts'
import { CopySession } from './copy-session.ts'
import { installationOf, readImported, slotColumns } from './copy-source.ts'

const CLICK = codeOf('click')

/** A Postgres, beside services that may count on it. */
export class PostgresCopyTarget implements CopyTarget {
  readonly installation: string
  readonly #session: CopySession

  private constructor(session: CopySession, installation: string) {
    this.#session = session
    this.installation = installation
  }

  static async open(connection: PostgresConnection, label: string): Promise<PostgresCopyTarget> {
    await using building = new AsyncDisposableStack()
    const session = building.use(await CopySession.open(connection, label))
    const [lock] = await session.query(
      `select pg_try_advisory_lock(hashtext('tallymark copy')) as is_free`,
    )
    if (lock?.['is_free'] !== true) {
      throw new OperatorError(
        `Another copy into ${label} is at work. Run this one again when that has ended.`,
      )
    }
    const target = new PostgresCopyTarget(session, await installationOf(session))
    building.move()
    return target
  }

  async conflicts(source: string, banners: readonly CopiedBanner[]): Promise<number[]> {
    const given = new Map(banners.map((banner) => [banner.id, banner]))
    const rows = await this.#session.query(
      `select id, name, url, status, created_at from banners
       where id = any($2::int[]) and not exists (
         select from copied_banners where source = $1 and banner_id = id)
       order by id`,
      [source, [...given.keys()]],
    )
    return rows
      .map(bannerOf)
      .filter(({ id, name, url }) => given.get(id)?.name !== name || given.get(id)?.url !== url)
      .map(({ id }) => id)
  }

  async takeBanners(source: string, banners: readonly CopiedBanner[]): Promise<number> {
    return this.#session.transaction(async () => {
      // Whoever changes banners waits; what was changed before is seen by the statements that follow.
      await this.#session.query('select from registry for update')
      const [other] = await this.conflicts(source, banners)
      if (other !== undefined) {
        throw new OperatorError(`Banner ${other} was registered meanwhile. Run the copy again.`)
      }
      const [row] = await this.#session.query(
        `with changed as (
           select given.*
           from json_to_recordset($2) as given (id integer, name text, url text, status text,
             "createdAt" bigint, version bigint)
           left join copied_banners on source = $1 and banner_id = id
           where given.version > coalesce(copied_banners.version, -1)
         ), registered as (
           update registry set version = version + 1 where exists (select from changed)
           returning version
         ), written as (
           insert into banners as stored (id, name, url, status, created_at, version)
           select id, name, url, status, "createdAt", registered.version from changed, registered
           order by id
           on conflict (id) do update set name = excluded.name, url = excluded.url,
             status = excluded.status, version = excluded.version,
             created_at = least(stored.created_at, excluded.created_at)
         ), remembered as (
           insert into copied_banners as stored (source, banner_id, version)
           select $1, id, version from changed
           on conflict (source, banner_id) do update set version = excluded.version
         )
         select count(*)::int as changed from changed`,
        [source, JSON.stringify(banners)],
      )
      return Number(row?.['changed'])
    })
  }

  async takeKeys(keys: readonly CopiedKey[]): Promise<{ added: number; own: number }> {
    // In one order in every process, see commit.ts; theirs come so.
    const [row] = await this.#session.query(
      `with given as (
         select banner_id, decode(hex, 'hex') as hash, counted_at
         from unnest($1::int[], $2::text[], $3::bigint[]) as given (banner_id, hex, counted_at)
       ), added as (
         insert into keys (banner_id, hash, counted_at)
         select * from given order by banner_id, hash
         on conflict do nothing
         returning 1
       )
       select (select count(*) from added)::int as added, (
         select count(*) from given join keys using (banner_id, hash)
         where keys.counted_at <> given.counted_at
       )::int as own`,
      [
        keys.map(({ bannerId }) => bannerId),
        keys.map(({ hash }) => Buffer.from(hash).toString('hex')),
        keys.map(({ countedAt }) => countedAt),
      ],
    )
    return { added: Number(row?.['added']), own: Number(row?.['own']) }
  }

  async takeDays(source: string, days: readonly CountedDay[]): Promise<number> {
    return this.#session.transaction(async () => {
      // Who merges waits for this page; imports take turns at their position. What they wrote before is
      // seen by the statements that follow.
      await this.#session.query(`select pg_advisory_xact_lock(hashtext('tallymark counts'))`)
      await this.#session.query(`select from positions where source = 'import:original' for update`)
      const known = await this.#memoryOf(source, days)
      const gains = days.map((day, index) => gainOf(day, known[index] ?? emptyMemory()))
      const gained = gains.filter(({ clicks, minutes }) => clicks > 0 || sum(minutes) > 0)
      if (gained.length > 0) await this.#write(source, gained)
      return gained.reduce((total, { clicks }) => total + clicks, 0)
    })
  }

  async #write(source: string, gains: readonly Gain[]): Promise<void> {
    const hours = gains.flatMap(hoursOf)
    const hourIds = [hours.map(({ bannerId }) => bannerId), hours.map(({ hour }) => hour)]
    await this.#session.query(
      `insert into copied_minutes as stored (source, banner_id, hour, counts)
       select $4, banner_id, hour, counts::int[] from ${givenBy('hour')}
       on conflict (source, banner_id, hour) do update set counts = excluded.counts`,
      [...hourIds, hours.map(({ copied }) => literal(copied)), source],
    )
    await this.#session.query(
      `insert into minute_counts as stored (banner_id, tally, hour, counts)
       select banner_id, ${CLICK}, hour, counts::int[] from ${givenBy('hour')}
       on conflict (banner_id, tally, hour) do update
         set counts = sum_of_counts(stored.counts, excluded.counts)`,
      [...hourIds, hours.map(({ gained }) => literal(gained))],
    )
    const slots = slotColumns(gains)
    await this.#session.query(
      `insert into copied_quarters as stored (source, banner_id, day, counts)
       select $4, banner_id, day, counts::int[] from ${givenBy('day')}
       on conflict (source, banner_id, day) do update set counts = excluded.counts`,
      [...slots, gains.map(({ remembered }) => literal(remembered.quarters)), source],
    )
    await this.#session.query(
      `insert into quarter_counts as stored (banner_id, tally, day, counts)
       select banner_id, ${CLICK}, day, counts::int[] from ${givenBy('day')}
       on conflict (banner_id, tally, day) do update
         set counts = sum_of_counts(stored.counts, excluded.counts)`,
      [...slots, gains.map(({ quarters }) => literal(quarters))],
    )
    await this.#session.query(
      `insert into day_counts as stored (banner_id, tally, day, count)
       select banner_id, ${CLICK}, day, clicks
       from unnest($1::int[], $2::int[], $3::bigint[]) as given (banner_id, day, clicks)
       where clicks > 0
       on conflict (banner_id, tally, day) do update set count = stored.count + excluded.count`,
      [...slots, gains.map(({ clicks }) => clicks)],
    )
    const imports = gains.flatMap(importsOf)
    await this.#session.query(
      `insert into imported_counts as stored (banner_id, minute, count)
       select * from unnest($1::int[], $2::int[], $3::int[])
       on conflict (banner_id, minute) do update set count = excluded.count`,
      [
        imports.map(({ bannerId }) => bannerId),
        imports.map(({ minute }) => minute),
        imports.map(({ count }) => count),
      ],
    )
  }

  async takeState({ nextId, instant, minutesFrom }: InstallationState): Promise<void> {
    await this.#session.query(
      `with numbered as (update registry set next_id = greatest(next_id, $1)),
         kept as (update retention set minutes_from = greatest(minutes_from, $3))
       update positions set instant = greatest(instant, $2) where source = 'import:original'`,
      [nextId, instant, minutesFrom / MINUTE_MS],
    )
  }

  async totalsOf(source: string, slots: readonly DaySlot[]): Promise<TakenTotal[]> {
    const memory = await this.#memoryOf(source, slots)
    const totals = await this.#session.query(
      `select coalesce(day_counts.count, 0)::float8 + coalesce(latest.count, 0)::float8 as total
       from unnest($1::int[], $2::int[]) with ordinality as slot (banner_id, day, place)
       left join day_counts on day_counts.banner_id = slot.banner_id and tally = ${CLICK}
         and day_counts.day = slot.day
       left join (
         select banner_id, minute / ${DAY_MINUTES} as day, sum(count) as count
         from unmerged_deltas where tally = ${CLICK} group by 1, 2
       ) as latest on latest.banner_id = slot.banner_id and latest.day = slot.day
       order by place`,
      slotColumns(slots),
    )
    return memory.map(({ quarters, imported }, index) => ({
      total: Number(totals[index]?.['total']),
      copied: sum(quarters),
      imported: sum(imported),
    }))
  }

  async #memoryOf(source: string, slots: readonly DaySlot[]): Promise<RememberedDay[]> {
    const memories = slots.map(({ bannerId, day }) => ({ bannerId, day, ...emptyMemory() }))
    await readImported(this.#session, memories)
    const given = 'unnest($1::int[], $2::int[]) with ordinality as slot (banner_id, day, place)'
    const hours = await this.#session.query(
      `select place, hour, counts from ${given}
       join copied_minutes as stored on source = $3 and stored.banner_id = slot.banner_id
         and hour >= slot.day * ${DAY_HOURS} and hour < (slot.day + 1) * ${DAY_HOURS}`,
      [...slotColumns(slots), source],
    )
    for (const { place, hour, counts } of hours) {
      const at = (Number(hour) % DAY_HOURS) * HOUR_MINUTES
      memories[Number(place) - 1]?.minutes.set(counts as number[], at) // integer[]
    }
    const days = await this.#session.query(
      `select place, counts from ${given}
       join copied_quarters as stored on source = $3 and stored.banner_id = slot.banner_id
         and stored.day = slot.day`,
      [...slotColumns(slots), source],
    )
    for (const { place, counts } of days) {
      memories[Number(place) - 1]?.quarters.set(counts as number[]) // integer[]
    }
    return memories
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session[Symbol.asyncDispose]()
  }
}

/** The hours that have gained something. */
function hoursOf({ bannerId, day, minutes, remembered }: Gain) {
  return Array.from({ length: DAY_HOURS }, (_, hourOfDay) => {
    const [from, to] = [hourOfDay * HOUR_MINUTES, (hourOfDay + 1) * HOUR_MINUTES]
    return {
      bannerId,
      hour: day * DAY_HOURS + hourOfDay,
      gained: minutes.subarray(from, to),
      copied: remembered.minutes.subarray(from, to),
    }
  }).filter(({ gained }) => sum(gained) > 0)
}

/** What is known now of imports from the original service, of minutes that have gained something. */
function importsOf({ bannerId, day, minutes, remembered }: Gain) {
  return Array.from(remembered.imported, (count, at) => {
    return { bannerId, minute: day * DAY_MINUTES + at, count }
  }).filter(({ count }, at) => count > 0 && Number(minutes[at]) > 0)
}

function givenBy(place: 'hour' | 'day'): string {
  return `unnest($1::int[], $2::int[], $3::text[]) as given (banner_id, ${place}, counts)`
}

function literal(counts: Int32Array): string {
  return `{${counts.join(',')}}`
}
