import type { Tally } from '../click.ts'
import type { Span } from '../log/click-log.ts'

/** How much one count rises. `minute` is the minute's first instant, in Unix milliseconds. */
export interface Delta {
  readonly bannerId: number
  readonly tally: Tally
  readonly minute: number
  readonly count: number
}

/** A click that counts only if its key is new; only the store can tell. */
export interface KeyedClick {
  readonly bannerId: number
  readonly tally: Tally
  readonly minute: number
  /** 16 bytes, see `keyHash`. */
  readonly keyHash: Uint8Array
}

/** A record of a partition that may be no click, see `Suspect` of the click log. */
export interface SuspectRecord {
  /** Its offset. */
  readonly position: bigint
  readonly bytes: Uint8Array
  readonly reason: string
  /** What it counts as, if its banner was ever registered: with a key or without. */
  readonly click?: Omit<KeyedClick, 'keyHash'> & { readonly keyHash?: Uint8Array }
}

/** What one batch adds: deltas without keys are folded and sorted by (banner, tally, minute). */
export interface Aggregate {
  readonly span: Span
  readonly deltas: readonly Delta[]
  readonly keyed: readonly KeyedClick[]
  readonly suspects: readonly SuspectRecord[]
}

/** Counts are kept by minute, by quarter of an hour and by UTC day, always in step. */
export type Resolution = 'minute' | 'quarter' | 'day'

/** The half-open range [from, to) of one resolution's rows; Unix milliseconds, multiples of it. */
export interface Slice {
  readonly resolution: Resolution
  readonly from: number
  readonly to: number
}

/** The half-open range [from, to) of whole minutes; Unix milliseconds. */
export type Minutes = Pick<Slice, 'from' | 'to'>

/** Rows and the instant until which they are complete, from one snapshot. */
export interface Snapshot<T> {
  readonly rows: T
  /** Every click that was acknowledged before this instant is in `rows`. Unix milliseconds. */
  readonly completeUntil: number
  /** Times before this instant, the beginning of a UTC day, are known to the quarter of an hour; 0: none are. */
  readonly minutesFrom: number
}

/** Two columns of equal length, in time order: rows as objects cost 5 times the memory. */
export interface Series {
  /** First instants of the rows' slots, Unix milliseconds. */
  readonly at: Float64Array
  readonly count: Float64Array
}

export interface BannerTotal {
  readonly bannerId: number
  readonly name: string
  readonly total: number
}

/**
 * One minute of all banners with clicks in it: columns of equal length, in the order of the ids. The rows
 * of 10,000 banners and 11 minutes as objects took 163 ms to come from another thread; columns take 2.
 */
export interface MinuteCounts {
  /** Its first instant, in Unix milliseconds. */
  readonly minute: number
  readonly bannerId: Float64Array
  readonly count: Float64Array
}

/**
 * Counts at rest. Contract (test/contract/count-store.ts):
 * - `commit` writes counts, keys and position in one transaction: all of them, or nothing.
 * - It answers `counted` if the store holds the batch, also from an earlier attempt, and
 *   `superseded` if another batch took its place. It throws `store_unavailable` when the outcome
 *   is not known; the same aggregate may then be committed again, any number of times.
 * - It throws BatchRejected when the data is what the store cannot take: then nothing is stored.
 * - Any other error means that the store cannot be trusted any further: the process must end.
 */
export interface CountStore {
  /** Registers a source at position `from`, once, and returns the next position to count. */
  open(source: string, from: bigint): Promise<bigint>
  commit(aggregate: Aggregate): Promise<'counted' | 'superseded'>
  /**
   * The rows of all slices of each banner, in the order of the ids, all from one snapshot. Banners that
   * are not known have none. Before the snapshot's `minutesFrom` a slice of minutes has the rows of the
   * quarters that begin in it.
   */
  series(
    bannerIds: readonly number[],
    tally: Tally,
    slices: readonly Slice[],
  ): Promise<Snapshot<readonly Series[]>>
  /** Each banner's sum over all slices, banners with clicks only, most first, ties by id. */
  totals(tally: Tally, slices: readonly Slice[]): Promise<Snapshot<readonly BannerTotal[]>>
  /** All banners' counts of each minute in [from, to) that has some, in time order. One snapshot. */
  recent(tally: Tally, minutes: Minutes): Promise<readonly MinuteCounts[]>
  /**
   * Forgets up to `limit` keys that were counted longer ago than `retentionMs` before the instant until
   * which everything is counted: a copy may still wait in the log. Returns how many there were.
   */
  purgeKeys(retentionMs: number, limit: number): Promise<number>
  /**
   * Gives up the minutes of the UTC days that ended longer ago than `retentionMs` before the instant until
   * which everything is counted: moves `minutesFrom` behind them, never back, and only then deletes up
   * to `limit` rows before it. Returns how many there were. Quarters and days stay. Minutes before it
   * that are counted later are deleted by a later call.
   */
  purgeMinutes(retentionMs: number, limit: number): Promise<number>
}
