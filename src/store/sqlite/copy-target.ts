import { MINUTE_MS } from '../../minute.ts'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
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
  DAY_MINUTES,
  DAY_QUARTERS,
  emptyMemory,
  gainOf,
  sum,
  type Gain,
  type RememberedDay,
} from '../copied-days.ts'
import { codeOf } from '../rows.ts'
import { findBanners } from './banners.ts'
import { databaseFile, openForWriting, transaction } from './connection.ts'
import { installationOf, readPlaces } from './copy-source.ts'
import { asSentence } from './failure.ts'
import { lockFolder } from './folder-lock.ts'
import { Merger } from './merger.ts'
import { migrate } from './migrate.ts'

const CLICK = codeOf('click')
/** Keeps the last instant of what was copied: a start of the service goes on from it. */
const SOURCE = 'copy'

/** The embedded store, which no service is at work on meanwhile. */
export class SqliteCopyTarget implements CopyTarget {
  readonly installation: string
  readonly #folder: string
  readonly #database: DatabaseSync
  readonly #closing: DisposableStack

  constructor(folder: string) {
    this.#folder = folder
    using building = new DisposableStack()
    building.use(lockFolder(folder))
    this.#database = asSentence(folder, () => building.use(openForWriting(databaseFile(folder))))
    this.installation = asSentence(folder, () => {
      migrate(this.#database)
      new Merger(this.#database).finish() // then the tables of counts are all there is
      return installationOf(this.#database)
    })
    this.#closing = building.move()
  }

  async conflicts(source: string, banners: readonly CopiedBanner[]): Promise<number[]> {
    return asSentence(this.#folder, () => {
      const given = new Map(banners.map((banner) => [banner.id, banner]))
      const copied = this.#versions(source)
      return findBanners(this.#database, [...given.keys()])
        .filter(({ id, name, url }) => {
          const other = given.get(id)
          return copied(id) === undefined && (other?.name !== name || other.url !== url)
        })
        .map(({ id }) => id)
    })
  }

  async takeBanners(source: string, banners: readonly CopiedBanner[]): Promise<number> {
    return this.#transaction(() => {
      const copied = this.#versions(source)
      const changed = banners.filter(({ id, version }) => version > (copied(id) ?? -1))
      if (changed.length === 0) return 0
      this.#database.exec('update registry set version = version + 1')
      const write = this.#database.prepare(
        `insert into banners (id, name, url, status, created_at, version)
         select ?, ?, ?, ?, ?, version from registry where true
         on conflict (id) do update set name = excluded.name, url = excluded.url,
           status = excluded.status, created_at = min(created_at, excluded.created_at),
           version = excluded.version`,
      )
      const remember = this.#database.prepare(
        `insert into copied_banners (source, banner_id, version) values (?, ?, ?)
         on conflict do update set version = excluded.version`,
      )
      for (const { id, name, url, status, createdAt, version } of changed) {
        write.run(id, name, url, status, createdAt)
        remember.run(source, id, version)
      }
      return changed.length
    })
  }

  async takeKeys(keys: readonly CopiedKey[]): Promise<{ added: number; own: number }> {
    return this.#transaction(() => {
      const insert = this.#database.prepare(
        'insert into keys (banner_id, hash, counted_at) values (?, ?, ?) on conflict do nothing',
      )
      const known = this.#database.prepare(
        'select counted_at from keys where banner_id = ? and hash = ?',
      )
      const outcome = { added: 0, own: 0 }
      for (const { bannerId, hash, countedAt } of keys) {
        if (insert.run(bannerId, hash, countedAt).changes > 0) outcome.added += 1
        else if (known.get(bannerId, hash)?.['counted_at'] !== countedAt) outcome.own += 1
      }
      return outcome
    })
  }

  async takeDays(source: string, days: readonly CountedDay[]): Promise<number> {
    return this.#transaction(() => {
      const write = gainWriter(this.#database, source)
      return days
        .map((day) => gainOf(day, this.#memoryOf(source, day)))
        .reduce((clicks, gain) => clicks + write(gain), 0)
    })
  }

  async takeState({ nextId, instant, minutesFrom }: InstallationState): Promise<void> {
    this.#transaction(() => {
      this.#database.prepare('update registry set next_id = max(next_id, ?)').run(nextId)
      this.#database
        .prepare('update retention set minutes_from = max(minutes_from, ?)')
        .run(minutesFrom / MINUTE_MS)
      this.#database
        .prepare(
          `insert into positions (source, next, instant) values (?, 0, ?)
           on conflict do update set instant = max(instant, excluded.instant)`,
        )
        .run(SOURCE, instant)
    })
  }

  async totalsOf(source: string, slots: readonly DaySlot[]): Promise<TakenTotal[]> {
    return asSentence(this.#folder, () => {
      const total = this.#database.prepare(
        `select count from day_counts where banner_id = ? and tally = ${CLICK} and day = ?`,
      )
      return slots.map((slot) => {
        const { quarters, imported } = this.#memoryOf(source, slot)
        return {
          total: Number(total.get(slot.bannerId, slot.day)?.['count'] ?? 0),
          copied: sum(quarters),
          imported: sum(imported),
        }
      })
    })
  }

  /** The version at which a banner was taken over, by id. */
  #versions(source: string): (id: number) => number | undefined {
    const version = this.#database.prepare(
      'select version from copied_banners where source = ? and banner_id = ?',
    )
    return (id) => {
      const row = version.get(source, id)
      return row && Number(row['version'])
    }
  }

  #memoryOf(source: string, slot: DaySlot): RememberedDay {
    const memory = emptyMemory()
    readPlaces(this.#database, slot, 'imported_counts', '', memory.imported)
    const { bannerId, day } = slot
    for (const [column, counts, places] of [
      ['minute', memory.minutes, DAY_MINUTES],
      ['quarter', memory.quarters, DAY_QUARTERS],
    ] as const) {
      const rows = this.#database
        .prepare(
          `select ${column} as slot, count from copied_${column}s
           where source = ? and banner_id = ? and ${column} >= ? and ${column} < ?`,
        )
        .iterate(source, bannerId, day * places, (day + 1) * places)
      for (const row of rows) counts[Number(row['slot']) - day * places] = Number(row['count'])
    }
    return memory
  }

  #transaction<T>(work: () => T): T {
    return asSentence(this.#folder, () => transaction(this.#database, 'begin immediate', work))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.dispose()
  }
}

/** Writes what a day has gained; returns the clicks. */
function gainWriter(database: DatabaseSync, source: string): (gain: Gain) => number {
  const adding = (table: string, column: string): StatementSync =>
    database.prepare(
      `insert into ${table} (banner_id, tally, ${column}, count) values (?, ${CLICK}, ?, ?)
       on conflict do update set count = count + excluded.count`,
    )
  const addMinute = adding('minute_counts', 'minute')
  const addQuarter = adding('quarter_counts', 'quarter')
  const addDay = adding('day_counts', 'day')
  const remembering = (column: string): StatementSync =>
    database.prepare(
      `insert into copied_${column}s (source, banner_id, ${column}, count) values (?, ?, ?, ?)
       on conflict do update set count = excluded.count`,
    )
  const rememberMinute = remembering('minute')
  const rememberQuarter = remembering('quarter')
  const rememberImported = database.prepare(
    `insert into imported_counts (banner_id, minute, count) values (?, ?, ?)
     on conflict do update set count = excluded.count`,
  )
  return ({ bannerId, day, minutes, quarters, clicks, remembered }) => {
    minutes.forEach((count, at) => {
      if (count === 0) return
      const minute = day * DAY_MINUTES + at
      addMinute.run(bannerId, minute, count)
      const [copied, imported] = [Number(remembered.minutes[at]), Number(remembered.imported[at])]
      if (copied > 0) rememberMinute.run(source, bannerId, minute, copied)
      if (imported > 0) rememberImported.run(bannerId, minute, imported)
    })
    quarters.forEach((count, at) => {
      if (count === 0) return
      const quarter = day * DAY_QUARTERS + at
      addQuarter.run(bannerId, quarter, count)
      const copied = Number(remembered.quarters[at])
      if (copied > 0) rememberQuarter.run(source, bannerId, quarter, copied)
    })
    if (clicks > 0) addDay.run(bannerId, day, clicks)
    return clicks
  }
}
