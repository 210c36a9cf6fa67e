import { statfs } from 'node:fs/promises'
import type { HeldClock } from '../clock.ts'
import { isUnavailable } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { FiguresStore, StoreFigures } from '../store/store-figures.ts'

const INTERVAL_MS = 2_000
/** Sizes change slowly, and Postgres walks its files for them. */
const ROUNDS_BETWEEN_SIZES = 15

export interface StoreWatchOptions {
  readonly store: FiguresStore
  readonly clock: HeldClock
  /** Told in each round by how much the clock is held ahead. */
  readonly onClock: (aheadMs: number) => void
  /** The folder of the embedded store, whose disk is measured. */
  readonly folder: string | undefined
  /** Shorter in tests. */
  readonly intervalMs?: number | undefined
}

interface Disk {
  readonly freeBytes: number
  readonly sizeBytes: number
}

/**
 * What is known of the store, for operators: asked every few seconds, one question at a time. While the
 * store is away it is what was said last, but the lag goes on growing.
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions
  #figures: StoreFigures | undefined
  #databaseBytes: number | undefined
  #disk: Disk | undefined

  constructor(options: StoreWatchOptions) {
    this.#options = options
  }

  /**
   * How long ago the instant was until which everything acknowledged is counted. Undefined until the store
   * has named one: how long it has not, in this process, says nothing of the others.
   */
  get lagMs(): number | undefined {
    const { completeUntil = 0 } = this.#figures ?? {}
    if (completeUntil === 0) return undefined
    return Math.max(0, this.#options.clock.now() - completeUntil)
  }

  get figures(): StoreFigures | undefined {
    return this.#figures
  }

  get databaseBytes(): number | undefined {
    return this.#databaseBytes
  }

  get disk(): Disk | undefined {
    return this.#disk
  }

  /** Asks until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { store, clock, onClock, intervalMs = INTERVAL_MS } = this.#options
    for (let round = 0; !signal.aborted; round += 1) {
      onClock(clock.aheadMs)
      try {
        this.#figures = await store.figures()
        if (round % ROUNDS_BETWEEN_SIZES === 0) await this.#measure()
      } catch (error) {
        // Others say that the store is away; what is known grows old by itself.
        if (!isUnavailable(error)) throw error
      }
      await sleep(intervalMs, signal)
    }
  }

  async #measure(): Promise<void> {
    const { store, folder } = this.#options
    this.#databaseBytes = await store.bytes()
    if (folder === undefined) return
    const { bavail, blocks, bsize } = await statfs(folder)
    // What is kept for the super-user is not free.
    this.#disk = { freeBytes: bavail * bsize, sizeBytes: blocks * bsize }
  }
}
