import { AppError } from '../../errors.ts'
import type { Connections } from './connections.ts'

const MERGE_AFTER_MS = 500
const STEP_PAUSE_MS = 1
/** Bounds one step: 20,000 deltas of as many banners took 350 ms. */
const STEP_DELTAS = 20_000
/** From here on a commit waits for a step: bounds what every read has to add up. */
const UNMERGED_DELTAS_MAX = 100_000
const CLOSING_STEPS_MAX = 20

/**
 * Has the database merge the deltas of committed batches into the tables of counts, a few times a
 * second (docs/decisions/0004). Every process does; the database lets one at a time, and it merges
 * the batches of all, also of those that are gone.
 */
export class Merger implements AsyncDisposable {
  readonly #connections: Pick<Connections, 'query'>
  #left = 0
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> | undefined
  #failure: unknown

  constructor(connections: Pick<Connections, 'query'>) {
    this.#connections = connections
  }

  /** Told after each commit. */
  added(): void {
    if (this.#step === undefined) this.#mergeAfter(MERGE_AFTER_MS)
  }

  /** Awaited before each commit; throws why the counts cannot be merged at all. */
  async makeRoom(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#left >= UNMERGED_DELTAS_MAX) await this.#mergeNow()
  }

  #mergeAfter(ms: number): void {
    this.#timer ??= setTimeout(() => void this.#mergeNow(), ms)
  }

  #mergeNow(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#step ??= this.#merge().finally(() => {
      this.#step = undefined
      if (this.#left > 0)
        this.#mergeAfter(this.#left < STEP_DELTAS ? MERGE_AFTER_MS : STEP_PAUSE_MS)
    })
    return this.#step
  }

  async #merge(): Promise<void> {
    try {
      const [row] = await this.#connections.query({
        name: 'merge',
        text: 'select merge_batches($1)::float8 as unmerged',
        values: [STEP_DELTAS],
      })
      this.#left = Number(row?.['unmerged'])
    } catch (error) {
      // While the database is away nothing is lost: what is not merged is counted all the same.
      if (!(error instanceof AppError)) this.#failure = error
    }
  }

  /** Merges what there is, so that the tables of counts are whole after an ordinary stop. */
  async [Symbol.asyncDispose](): Promise<void> {
    let before = Infinity
    for (let step = 0; step < CLOSING_STEPS_MAX && before > 0; step += 1) {
      await this.#mergeNow()
      if (this.#left >= before) break // the database is away, or others add more
      before = this.#left
    }
    clearTimeout(this.#timer)
  }
}
