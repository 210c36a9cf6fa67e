import type { DatabaseSync } from 'node:sqlite'
import { floorTo } from '../../minute.ts'
import type { Delta } from '../count-store.ts'
import { transaction } from './connection.ts'
import { isPassing } from './failure.ts'
import { blobOf, countOf, unpackDeltas } from './packed.ts'
import { codeOf, TABLES } from '../rows.ts'

const MERGE_AFTER_MS = 200
/** Lets the commits that wait go first. */
const STEP_PAUSE_MS = 1
/** Bounds one step: 5,000 deltas of as many banners took 40 ms. */
const STEP_DELTAS = 5_000
/** Bounds what every read has to add up. */
const UNMERGED_DELTAS_MAX = 50_000

/**
 * Merges the deltas of committed batches into the tables of counts, a few times a second. A commit
 * that wrote three rows a banner, each on a page of its own, would cost ten times as much
 * (docs/decisions/0004).
 */
export class Merger {
  readonly #database: DatabaseSync
  readonly #upserts: readonly ((deltas: readonly Delta[]) => Delta[])[]
  #unmerged: number
  #timer: NodeJS.Timeout | undefined
  #failures = 0

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#upserts = [
      upsert(database, TABLES.minute),
      upsert(database, TABLES.quarter),
      upsert(database, TABLES.day),
    ]
    this.#unmerged = database
      .prepare('select deltas from unmerged')
      .all()
      .reduce((sum, row) => sum + countOf(blobOf(row['deltas'])), 0)
    this.added(0)
  }

  /** Merges that did not succeed. */
  get failures(): number {
    return this.#failures
  }

  /** Told after each commit how many deltas it left to merge. */
  added(deltas: number): void {
    this.#unmerged += deltas
    if (this.#unmerged > 0) this.#mergeAfter(MERGE_AFTER_MS)
  }

  /** Told before each commit; throws what SQLite throws. */
  makeRoom(): void {
    while (this.#unmerged >= UNMERGED_DELTAS_MAX) this.#step()
  }

  /** Merges everything; throws what SQLite throws. */
  finish(): void {
    clearTimeout(this.#timer)
    while (this.#unmerged > 0) this.#step()
  }

  #mergeAfter(ms: number): void {
    this.#timer ??= setTimeout(() => this.#mergeNow(), ms)
  }

  #mergeNow(): void {
    this.#timer = undefined
    try {
      this.#step()
      if (this.#unmerged > 0) this.#mergeAfter(STEP_PAUSE_MS)
    } catch (error) {
      // A full disk or a locked file: what is not merged is counted all the same.
      if (!isPassing(error)) throw error
      this.#failures += 1
      this.#mergeAfter(MERGE_AFTER_MS)
    }
  }

  /** Merges the oldest batches in one transaction. */
  #step(): void {
    const merged = transaction(this.#database, 'begin immediate', () => {
      const { deltas, lastId } = this.#oldest()
      let rows: readonly Delta[] = deltas
      for (const upsertFolded of this.#upserts) rows = upsertFolded(rows)
      this.#database.prepare('delete from unmerged where id <= ?').run(lastId)
      return deltas.length
    })
    this.#unmerged -= merged
  }

  #oldest(): { deltas: Delta[]; lastId: number } {
    const deltas: Delta[] = []
    let lastId = 0
    for (const row of this.#database
      .prepare('select id, deltas from unmerged order by id')
      .iterate()) {
      deltas.push(...unpackDeltas(blobOf(row['deltas'])))
      lastId = Number(row['id'])
      if (deltas.length >= STEP_DELTAS) break
    }
    return { deltas, lastId }
  }
}

/** Adds deltas to one table, and returns them folded by its slots: one upsert for each row. */
function upsert(
  database: DatabaseSync,
  { table, column, unitMs }: { table: string; column: string; unitMs: number },
) {
  const statement = database.prepare(
    `insert into ${table} (banner_id, tally, ${column}, count) values (?, ?, ?, ?)
     on conflict do update set count = count + excluded.count`,
  )
  return (deltas: readonly Delta[]): Delta[] => {
    const rows = fold(deltas, unitMs)
    for (const { bannerId, tally, minute, count } of rows) {
      statement.run(bannerId, codeOf(tally), minute / unitMs, count)
    }
    return rows
  }
}

/**
 * One delta for each banner, tally and unit of time. By numbers: with keys of text a merge took 0.48 instead of
 * 0.27 µs a delta.
 */
function fold(deltas: readonly Delta[], unitMs: number): Delta[] {
  const slots = new Map<number, Map<number, Delta & { count: number }>>()
  for (const { bannerId, tally, minute, count } of deltas) {
    const at = floorTo(minute, unitMs)
    const slot = at + codeOf(tally) // codes are far below the milliseconds of a minute
    let rows = slots.get(slot)
    if (rows === undefined) slots.set(slot, (rows = new Map()))
    const row = rows.get(bannerId)
    if (row === undefined) rows.set(bannerId, { bannerId, tally, minute: at, count })
    else row.count += count
  }
  return [...slots.values()].flatMap((rows) => [...rows.values()])
}
