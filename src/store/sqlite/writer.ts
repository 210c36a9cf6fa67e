// The thread that owns the one writing connection.
import type { DatabaseSync } from 'node:sqlite'
import { workerData } from 'node:worker_threads'
import type { BannerDraft } from '../../banner.ts'
import { DAY_MS, MINUTE_MS, QUARTER_MS } from '../../minute.ts'
import type { Aggregate, Delta } from '../count-store.ts'
import { openForWriting, transaction } from './connection.ts'
import { TALLY_CODES } from './rows.ts'
import { isPassing } from './failure.ts'
import { serveCalls } from './thread.ts'

export interface WriterData {
  readonly file: string
  readonly pagesMax: number | undefined
}

export type WriterCalls = ReturnType<typeof writerCalls>

// Set by SqliteDatabase; a thread gets its parameters untyped.
const { file, pagesMax } = workerData as WriterData
serveCalls(writerCalls(openForWriting(file, pagesMax)))

function writerCalls(database: DatabaseSync) {
  const commit = committer(database)
  return {
    open: (call: { source: string; from: bigint; instant: number }) => open(database, call),
    commit: (call: { aggregate: Aggregate; instant: number }) => commit(call),
    purgeKeys: (call: { before: number; limit: number; instant: number }) =>
      purgeKeys(database, call),
    seed: (call: { drafts: readonly BannerDraft[]; instant: number }) => seed(database, call),
    close: (instant: number) => close(database, instant),
  }
}

function open(database: DatabaseSync, call: { source: string; from: bigint; instant: number }) {
  return transaction(database, 'begin immediate', () => {
    const instant = lastInstant(database, call.instant)
    database
      .prepare(
        'insert into positions (source, next, instant) values (?, ?, ?) on conflict do nothing',
      )
      .run(call.source, call.from, instant)
    // The folder has one process, so writers of earlier starts are gone for good; the last
    // instant lives on in the new row.
    database
      .prepare(`delete from positions where source glob 'writer:*' and source <> ?`)
      .run(call.source)
    const row = database.prepare('select next from positions where source = ?').get(call.source)
    return BigInt(Number(row?.['next']))
  })
}

function lastInstant(database: DatabaseSync, atLeast: number): number {
  const row = database.prepare('select max(instant) as instant from positions').get()
  return Math.max(atLeast, Number(row?.['instant'] ?? 0))
}

/** Counts, keys and position in one transaction; see the contract of CountStore. */
function committer(database: DatabaseSync) {
  const advance = database.prepare(
    'update positions set next = ?, batch_id = ?, instant = max(instant, ?) where source = ? and next = ?',
  )
  const position = database.prepare('select batch_id from positions where source = ?')
  const addKey = database.prepare(
    'insert into keys (banner_id, hash, counted_at) values (?, ?, ?) on conflict do nothing',
  )
  const minutes = upsert(database, 'minute_counts', 'minute', MINUTE_MS)
  const quarters = upsert(database, 'quarter_counts', 'quarter', QUARTER_MS)
  const days = upsert(database, 'day_counts', 'day', DAY_MS)

  return (call: { aggregate: Aggregate; instant: number }): 'counted' | 'superseded' => {
    const { span, deltas, keyed } = call.aggregate
    return transaction(database, 'begin immediate', () => {
      const moved = advance.run(span.to, span.batchId, call.instant, span.source, span.from)
      if (moved.changes === 0) {
        const stored = position.get(span.source)?.['batch_id']
        return isSame(stored, span.batchId) ? 'counted' : 'superseded'
      }
      const fresh: Delta[] = []
      for (const { bannerId, tally, minute, keyHash } of keyed) {
        const added = addKey.run(bannerId, keyHash, call.instant)
        if (added.changes > 0) fresh.push({ bannerId, tally, minute, count: 1 })
      }
      const all = fresh.length === 0 ? deltas : [...deltas, ...fresh]
      minutes(all)
      quarters(all)
      days(all)
      return 'counted'
    })
  }
}

/** Adds deltas to one table, folded by its slots first: one upsert for each row. */
function upsert(database: DatabaseSync, table: string, column: string, unitMs: number) {
  const statement = database.prepare(
    `insert into ${table} (banner_id, tally, ${column}, count) values (?, ?, ?, ?)
     on conflict do update set count = count + excluded.count`,
  )
  return (deltas: readonly Delta[]): void => {
    const counts = new Map<string, [bannerId: number, tally: number, slot: number, count: number]>()
    for (const { bannerId, tally, minute, count } of deltas) {
      const slot = Math.floor(minute / unitMs)
      const key = `${bannerId} ${tally} ${slot}`
      const row = counts.get(key)
      if (row === undefined) counts.set(key, [bannerId, TALLY_CODES[tally], slot, count])
      else row[3] += count
    }
    for (const row of counts.values()) statement.run(...row)
  }
}

function isSame(stored: unknown, batchId: Uint8Array): boolean {
  return stored instanceof Uint8Array && Buffer.compare(stored, batchId) === 0
}

/** So that the clock does not go back over a restart, however long ago the last click was. */
function storeInstant(database: DatabaseSync, instant: number): void {
  database.prepare('update positions set instant = max(instant, ?)').run(instant)
}

function close(database: DatabaseSync, instant: number): void {
  try {
    storeInstant(database, instant)
  } catch (error) {
    if (!isPassing(error)) throw error // a full disk must not keep the service from stopping
  }
  database.close()
}

function purgeKeys(
  database: DatabaseSync,
  call: { before: number; limit: number; instant: number },
): number {
  return transaction(database, 'begin immediate', () => {
    storeInstant(database, call.instant)
    const purged = database
      .prepare(
        `delete from keys where (banner_id, hash) in
           (select banner_id, hash from keys where counted_at < ? order by counted_at limit ?)`,
      )
      .run(call.before, call.limit)
    return Number(purged.changes)
  })
}

function seed(
  database: DatabaseSync,
  call: { drafts: readonly BannerDraft[]; instant: number },
): number {
  return transaction(database, 'begin immediate', () => {
    if (database.prepare('select 1 from banners limit 1').get() !== undefined) return 0
    const insert = database.prepare(
      'insert into banners (id, name, url, status, created_at, version) values (?, ?, ?, ?, ?, 1)',
    )
    for (const { id, name, url, status } of call.drafts) {
      insert.run(id, name, url, status, call.instant)
    }
    database.exec('update registry set version = 1')
    return call.drafts.length
  })
}
