// The thread that answers reads, on a connection of its own.
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import { workerData } from 'node:worker_threads'
import { BANNER_STATUSES, type Banner, type BannerStatus } from '../../banner.ts'
import type { Tally } from '../../click.ts'
import type { BannerPage } from '../../registry/banner-store.ts'
import type { BannerTotal, Series, Slice } from '../count-store.ts'
import { openForReading, transaction } from './connection.ts'
import { TABLES, TALLY_CODES } from './rows.ts'
import { serveCalls } from './thread.ts'

export interface ReaderData {
  readonly file: string
}

export type ReaderCalls = ReturnType<typeof readerCalls>

// Set by SqliteDatabase; a thread gets its parameters untyped.
const { file } = workerData as ReaderData
serveCalls(readerCalls(openForReading(file)))

function readerCalls(database: DatabaseSync) {
  return {
    series: (call: { bannerId: number; tally: Tally; slices: readonly Slice[] }) =>
      series(database, call),
    totals: (call: { tally: Tally; slices: readonly Slice[] }) => totals(database, call),
    banners: () => allBanners(database),
    findBanner: (id: number) => findBanner(database, id),
    listBanners: (page: BannerPage) => listBanners(database, page),
    close: () => database.close(),
  }
}

/** Deferred: the snapshot is taken by the first statement and held to the last. */
function snapshot<T>(database: DatabaseSync, read: () => T): T {
  return transaction(database, 'begin', read)
}

function series(
  database: DatabaseSync,
  call: { bannerId: number; tally: Tally; slices: readonly Slice[] },
): Series {
  const at: number[] = []
  const count: number[] = []
  snapshot(database, () => {
    for (const { resolution, from, to } of call.slices) {
      const { table, column, unitMs } = TABLES[resolution]
      const rows = database
        .prepare(
          `select ${column} as slot, count from ${table}
           where banner_id = ? and tally = ? and ${column} >= ? and ${column} < ? order by ${column}`,
        )
        .iterate(call.bannerId, TALLY_CODES[call.tally], from / unitMs, to / unitMs)
      for (const row of rows) {
        at.push(Number(row['slot']) * unitMs)
        count.push(Number(row['count']))
      }
    }
  })
  return { at: Float64Array.from(at), count: Float64Array.from(count) }
}

function totals(
  database: DatabaseSync,
  call: { tally: Tally; slices: readonly Slice[] },
): BannerTotal[] {
  if (call.slices.length === 0) return []
  const parts = call.slices.map(({ resolution }) => {
    const { table, column } = TABLES[resolution]
    return `select banner_id, count from ${table} where tally = ? and ${column} >= ? and ${column} < ?`
  })
  const parameters = call.slices.flatMap(({ resolution, from, to }) => {
    const { unitMs } = TABLES[resolution]
    return [TALLY_CODES[call.tally], from / unitMs, to / unitMs]
  })
  return database
    .prepare(
      `select banner_id, name, total
       from (select banner_id, sum(count) as total from (${parts.join(' union all ')}) group by banner_id)
       join banners on banners.id = banner_id
       order by total desc, banner_id`,
    )
    .all(...parameters)
    .map((row) => ({
      bannerId: Number(row['banner_id']),
      name: String(row['name']),
      total: Number(row['total']),
    }))
}

function allBanners(database: DatabaseSync): Pick<Banner, 'id' | 'status'>[] {
  return database
    .prepare('select id, status from banners order by id')
    .all()
    .map((row) => ({ id: Number(row['id']), status: statusOf(row['status']) }))
}

function findBanner(database: DatabaseSync, id: number): Banner | undefined {
  const row = database
    .prepare('select id, name, url, status, created_at from banners where id = ?')
    .get(id)
  return row === undefined ? undefined : bannerOf(row)
}

function listBanners(database: DatabaseSync, page: BannerPage): Banner[] {
  return database
    .prepare(
      `select id, name, url, status, created_at from banners
       where id > ? and (? or status <> 'archived') order by id limit ?`,
    )
    .all(page.after, page.withArchived ? 1 : 0, page.limit)
    .map(bannerOf)
}

function bannerOf(row: Record<string, SQLOutputValue>): Banner {
  return {
    id: Number(row['id']),
    name: String(row['name']),
    url: row['url'] === null ? null : String(row['url']),
    status: statusOf(row['status']),
    createdAt: Number(row['created_at']),
  }
}

function statusOf(value: unknown): BannerStatus {
  const status = BANNER_STATUSES.find((known) => known === value)
  if (status === undefined) throw new Error(`unknown banner status ${String(value)}`)
  return status
}
