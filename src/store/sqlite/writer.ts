// The thread that owns the one writing connection.
import type { DatabaseSync } from 'node:sqlite'
import { workerData } from 'node:worker_threads'
import type { BannerChange, BannerDraft, NewBanner } from '../../banner.ts'
import type { Span } from '../../log/click-log.ts'
import type { Delta } from '../count-store.ts'
import type { ImportedCount } from '../import-store.ts'
import { addBanner, addBanners, changeBanner } from './banners.ts'
import { openForWriting, transaction } from './connection.ts'
import { isPassing } from './failure.ts'
import { importCounts } from './imports.ts'
import { Merger } from './merger.ts'
import { countOf, packDeltas, unpackKeyed } from './packed.ts'
import { serveCalls } from './thread.ts'

export interface WriterData {
  readonly file: string
  readonly pagesMax: number | undefined
}

export type WriterCalls = ReturnType<typeof writerCalls>

// Set by SqliteDatabase; a thread gets its parameters untyped.
const { file, pagesMax } = workerData as WriterData
serveCalls(writerCalls(openForWriting(file, pagesMax)))

/** An aggregate, packed for the way to this thread. */
interface CommitCall {
  readonly span: Span
  readonly deltas: Uint8Array
  readonly keyed: Uint8Array
  readonly instant: number
}

function writerCalls(database: DatabaseSync) {
  const merger = new Merger(database)
  return {
    open: (call: { source: string; from: bigint; instant: number }) => open(database, call),
    commit: committer(database, merger),
    purgeKeys: (call: { before: number; limit: number; instant: number }) =>
      purgeKeys(database, call),
    importCounts: (call: { counts: readonly ImportedCount[]; instant: number }) =>
      importCounts(database, merger, call),
    addBanner: (call: { banner: NewBanner; instant: number }) => addBanner(database, call),
    addBanners: (call: {
      drafts: readonly BannerDraft[]
      when: 'onlyFirst' | 'always'
      instant: number
    }) => addBanners(database, call),
    changeBanner: (call: { id: number; change: BannerChange }) => changeBanner(database, call),
    mergeFailures: () => merger.failures,
    close: (instant: number) => close(database, merger, instant),
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
function committer(database: DatabaseSync, merger: Merger) {
  const advance = database.prepare(
    'update positions set next = ?, batch_id = ?, instant = max(instant, ?) where source = ? and next = ?',
  )
  const position = database.prepare('select batch_id from positions where source = ?')
  const addDeltas = database.prepare('insert into unmerged (deltas) values (?)')
  const addKey = database.prepare(
    'insert into keys (banner_id, hash, counted_at) values (?, ?, ?) on conflict do nothing',
  )

  /** What the batch counts of clicks whose keys are new; remembers the keys. */
  function addKeyed({ keyed, instant }: CommitCall): Delta[] {
    const fresh: Delta[] = []
    for (const { bannerId, tally, minute, keyHash } of unpackKeyed(keyed)) {
      const added = addKey.run(bannerId, keyHash, instant)
      if (added.changes > 0) fresh.push({ bannerId, tally, minute, count: 1 })
    }
    return fresh
  }

  /** `fresh`: clicks with keys that counted; undefined where an earlier attempt has counted the batch. */
  return (call: CommitCall): { outcome: 'counted' | 'superseded'; fresh: number | undefined } => {
    const { span, instant } = call
    merger.makeRoom()
    const outcome = transaction(database, 'begin immediate', () => {
      const moved = advance.run(span.to, span.batchId, instant, span.source, span.from)
      if (moved.changes === 0) return undefined
      const fresh = addKeyed(call)
      const deltas =
        fresh.length === 0 ? call.deltas : Buffer.concat([call.deltas, packDeltas(fresh)])
      if (deltas.byteLength > 0) addDeltas.run(deltas)
      return { added: countOf(deltas), fresh: fresh.length }
    })
    if (outcome !== undefined) {
      merger.added(outcome.added)
      return { outcome: 'counted', fresh: outcome.fresh }
    }
    const isThisOne = position.get(span.source)?.['batch_id'] === span.batchId
    return { outcome: isThisOne ? 'counted' : 'superseded', fresh: undefined }
  }
}

/** So that the clock does not go back over a restart, however long ago the last click was. */
function storeInstant(database: DatabaseSync, instant: number): void {
  database.prepare('update positions set instant = max(instant, ?)').run(instant)
}

function close(database: DatabaseSync, merger: Merger, instant: number): void {
  try {
    storeInstant(database, instant)
    merger.finish()
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
