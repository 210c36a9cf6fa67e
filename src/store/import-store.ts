/** The count of one banner's minute as another system has it; `minute` in Unix milliseconds. */
export interface ImportedCount {
  readonly bannerId: number
  readonly minute: number
  readonly count: number
}

export interface ImportOutcome {
  /** Clicks that were added. */
  readonly added: number
  /** Minutes that had been imported before, with this count or a higher one. */
  readonly unchanged: number
  /** Banners that were not registered, and are now, by id. */
  readonly registered: readonly number[]
}

/**
 * Takes in what another system has counted. Contract (test/cli/import.test.ts, on every adapter): a count is added
 * once however often it is imported; if it has risen since, the difference is. Each call is one
 * transaction; its counts are of different banners or minutes. Banners that are not known are
 * registered as active.
 */
export interface ImportStore {
  importCounts(counts: readonly ImportedCount[]): Promise<ImportOutcome>
}
