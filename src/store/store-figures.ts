/** What the store tells operators of itself. */
export interface StoreFigures {
  /** Everything acknowledged before this instant is counted. Unix milliseconds of the shared clock. */
  readonly completeUntil: number
  /** Batches that are counted, and not yet merged into the tables of counts. */
  readonly unmergedBatches: number
  /** Merges that failed in this process since it started: each is tried again. */
  readonly mergeFailures: number
}

/** Answers are cheap, and wait for no click. Throws `store_unavailable` while the store is away. */
export interface FiguresStore {
  figures(): Promise<StoreFigures>
  /** The size of the database. Dearer than the rest: for seldom questions. */
  bytes(): Promise<number>
}
