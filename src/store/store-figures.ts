/** A store that is asked every few seconds does not count millions of them. */
export const DEAD_LETTERS_TOLD_MAX = 1_000

/** What the store tells operators of itself. */
export interface StoreFigures {
  /** Everything acknowledged before this instant is counted. Unix milliseconds of the shared clock. */
  readonly completeUntil: number
  /** Batches that are counted, and not yet merged into the tables of counts. */
  readonly unmergedBatches: number
  /** Merges that failed in this process since it started: each is tried again. */
  readonly mergeFailures: number
  /**
   * Records of the click log that could not be counted and are kept; more than `DEAD_LETTERS_TOLD_MAX`
   * are told as that many. Undefined: this store keeps none.
   */
  readonly deadLetters: number | undefined
}

/** Answers are cheap, and wait for no click. Throws `store_unavailable` while the store is away. */
export interface FiguresStore {
  figures(): Promise<StoreFigures>
  /** The size of the database. Dearer than the rest: for seldom questions. */
  bytes(): Promise<number>
}
