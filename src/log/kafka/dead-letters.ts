import type { Click } from '../../click.ts'

/** Why a click is one, also when it is tried again. */
export const UNREGISTERED = 'the banner was never registered'

/** A record of a partition that could not be counted. */
export interface DeadLetter {
  readonly id: number
  /** `<topic>/<partition>` */
  readonly source: string
  readonly offset: bigint
  /** Unix milliseconds of the shared clock. */
  readonly foundAt: number
  readonly reason: string
  readonly bytes: Uint8Array
}

export interface Retried {
  readonly counted: number
  /** Clicks whose key was counted before: they are dead letters no longer. */
  readonly duplicates: number
  /** Dead letters still, with the reason of this attempt. */
  readonly left: number
}

/**
 * Records that `CountStore.commit` did not count. Contract (test/store/dead-letters.test.ts):
 * - A letter is counted at most once, also if two processes try at once. `retry` may be called again
 *   after `store_unavailable`, when what was counted is not known.
 * - Every method throws `store_unavailable` while the store is away.
 */
export interface DeadLetterStore {
  /** Up to `limit`, with ids above `after`, by id. */
  list(page: { readonly after?: number; readonly limit: number }): Promise<readonly DeadLetter[]>
  count(): Promise<number>
  /** Those of the ids that are none. */
  missing(ids: readonly number[]): Promise<readonly number[]>
  /**
   * Counts those that are clicks of banners which are registered now, and forgets them. `decode` gives
   * the click, or why there is none.
   */
  retry(
    decode: (bytes: Uint8Array) => Click | string,
    ids: readonly number[] | 'all',
  ): Promise<Retried>
  /** Forgets letters for good; returns how many there were. */
  drop(ids: readonly number[]): Promise<number>
}
