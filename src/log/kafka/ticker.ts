/**
 * For MINUTES_TICKER: counts only from each full interval of the shared clock on, what the log held
 * then. Nothing is held in memory meanwhile; it waits in the log.
 */
export class Ticker {
  readonly #intervalMs: number | undefined
  /** The ends that the partitions had at the last tick, by number. */
  #ends: readonly bigint[] = []
  #next: number | undefined

  /** `intervalMs` undefined: there are no ticks, and everything is counted at once. */
  constructor(intervalMs: number | undefined) {
    this.#intervalMs = intervalMs
  }

  /** Told what time it is, and where the partitions end after it. Whether this is a tick. */
  observe(instant: number, ends: readonly bigint[]): boolean {
    const interval = this.#intervalMs
    if (interval === undefined) return false
    const isTick = this.#next !== undefined && instant >= this.#next
    this.#next = (Math.floor(instant / interval) + 1) * interval
    if (isTick) this.#ends = ends
    return isTick
  }

  /** Of positions by partition, those from which records are to be counted now. */
  wanted(positions: ReadonlyMap<number, bigint>): ReadonlyMap<number, bigint> {
    if (this.#intervalMs === undefined) return positions
    const behind = [...positions].filter(([number, next]) => next < (this.#ends[number] ?? 0n))
    return new Map(behind)
  }
}
