import { setTimeout as pause } from 'node:timers/promises'
import { isUnavailable } from '../../errors.ts'
import type { Connections } from './connections.ts'

const MERGE_AFTER_MS = 500
const STEP_PAUSE_MS = 1
/** Bounds one step: 20,000 deltas of as many banners took 350 ms. */
const STEP_DELTAS = 20_000
const STEP_DELTAS_MIN = 500
/** From here on commits wait for a merge: bounds what every read has to add up. */
const UNMERGED_DELTAS_MAX = 100_000
const CLOSING_MS = 2_000

/**
 * Has the database merge the deltas of committed batches into the tables of counts, twice a second
 * (docs/decisions/0004). Every process does; the database lets one at a time, and it merges the
 * batches of all, also of those that are gone.
 */
export class Merger implements AsyncDisposable {
  readonly #connections: Pick<Connections, 'query'>
  /** How many deltas there were after the last step, of all processes, and what this one added since. */
  #left = 0
  /** Something was committed since the last step began, or it failed. */
  #isWanted = false
  #stepDeltas = STEP_DELTAS
  #timer: NodeJS.Timeout | undefined
  #step: Promise<boolean> | undefined
  #failure: unknown
  #failures = 0
  #isClosed = false

  constructor(connections: Pick<Connections, 'query'>) {
    this.#connections = connections
  }

  /** Steps that did not succeed. */
  get failures(): number {
    return this.#failures
  }

  /** Told after each commit how many deltas it left to merge. */
  added(deltas: number): void {
    this.#isWanted = true
    this.#left += deltas
    if (this.#step === undefined) this.#mergeAfter(MERGE_AFTER_MS)
  }

  /** Awaited before each commit; throws why the counts cannot be merged at all. */
  makeRoom(): Promise<void> {
    return this.#mergeBelow(UNMERGED_DELTAS_MAX)
  }

  /** Awaited before each page of an import, so that commits need not wait for its merges. */
  makeMuchRoom(): Promise<void> {
    return this.#mergeBelow(STEP_DELTAS)
  }

  /** Goes on after a step that failed: the database is away, which the commit will find out itself. */
  async #mergeBelow(deltas: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    while (this.#left >= deltas) if (!(await this.#mergeNow(true))) return
  }

  #mergeAfter(ms: number): void {
    if (this.#isClosed) return
    this.#timer ??= setTimeout(() => void this.#mergeNow(false), ms)
  }

  #mergeNow(waits: boolean): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#step ??= this.#merge(waits).finally(() => {
      this.#step = undefined
      if (this.#left >= STEP_DELTAS) this.#mergeAfter(STEP_PAUSE_MS)
      else if (this.#isWanted || this.#left > 0) this.#mergeAfter(MERGE_AFTER_MS)
    })
    return this.#step
  }

  /** Whether the step succeeded; what is not merged is counted all the same. */
  async #merge(waits: boolean): Promise<boolean> {
    this.#isWanted = false
    try {
      const [row] = await this.#connections.query({
        name: 'merge',
        text: 'select merge_batches($1, $2)::float8 as unmerged',
        values: [this.#stepDeltas, waits],
      })
      this.#left = Number(row?.['unmerged'])
      this.#stepDeltas = STEP_DELTAS
      return true
    } catch (error) {
      this.#failures += 1
      if (!isUnavailable(error)) this.#failure = error
      // If it took too long, the next one takes less.
      this.#stepDeltas = Math.max(STEP_DELTAS_MIN, Math.floor(this.#stepDeltas / 2))
      this.#isWanted = true
      return false
    }
  }

  /**
   * Merges what there is, if it can be done at once: the tables of counts are then whole after an
   * ordinary stop. What is left, another process merges, or the next start.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    const merging = (async () => {
      const until = performance.now() + CLOSING_MS
      while ((this.#isWanted || this.#left > 0) && performance.now() < until) {
        if (!(await this.#mergeNow(true))) return
      }
    })()
    await Promise.race([merging, pause(CLOSING_MS)])
  }
}
