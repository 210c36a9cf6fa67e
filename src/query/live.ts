import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { floorTo, MINUTE_MS } from '../minute.ts'
import type { CountStore, RecentCount } from '../store/count-store.ts'

/** Every stream gets the rows of the current minute and of so many before it. */
const MINUTES_BACK = 10
const POLL_INTERVAL_MS = 1_000

export interface LiveOptions {
  readonly counts: Pick<CountStore, 'recent'>
  readonly clock: Clock
  /** How many streams there may be at once. */
  readonly streamsMax: number
  /** For tests. */
  readonly pollIntervalMs?: number
}

/** A reader of live counts. */
export interface LiveReader {
  /** Only this banner's rows; undefined: those of all. */
  readonly bannerId: number | undefined
  /** Gets the rows that changed; the first time all of the window, also none. */
  send(rows: readonly RecentCount[]): void
  /** Called when the feed ends. */
  end(): void
}

/**
 * The latest counts for any number of readers, from one poll of the store a second. While nobody
 * listens there is no poll. A poll that fails is left out: the next one has what it missed.
 */
export class LiveFeed implements Disposable {
  readonly #options: LiveOptions
  readonly #readers = new Set<LiveReader>()
  readonly #fresh = new Set<LiveReader>()
  #known = new Map<string, RecentCount>()
  #timer: NodeJS.Timeout | undefined
  #isPolling = false
  #isEnded = false

  constructor(options: LiveOptions) {
    this.#options = options
  }

  get streams(): number {
    return this.#readers.size
  }

  /** Throws `too_many_streams`, and `store_unavailable` while nothing is known of the time. */
  add(reader: LiveReader): void {
    this.#options.clock.now()
    if (this.#isEnded || this.#readers.size >= this.#options.streamsMax) {
      const detail = `There are ${this.#readers.size} streams already; more are not served.`
      throw new AppError('too_many_streams', detail)
    }
    this.#readers.add(reader)
    this.#fresh.add(reader)
    void this.#poll()
  }

  remove(reader: LiveReader): void {
    this.#readers.delete(reader)
    this.#fresh.delete(reader)
    if (this.#readers.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#known = new Map()
  }

  /** Reads now, unless the last read is less than an interval ago. */
  async #poll(): Promise<void> {
    if (this.#isPolling || this.#timer !== undefined) return
    this.#isPolling = true
    const { counts, clock, pollIntervalMs = POLL_INTERVAL_MS } = this.#options
    const since = floorTo(clock.now(), MINUTE_MS) - MINUTES_BACK * MINUTE_MS
    const rows = await counts.recent('click', since).catch(() => undefined)
    this.#isPolling = false
    if (this.#readers.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#poll()
    }, pollIntervalMs)
    if (rows !== undefined) this.#tell(rows)
  }

  #tell(rows: readonly RecentCount[]): void {
    const known = new Map(rows.map((row) => [`${row.bannerId} ${row.minute}`, row]))
    const changed = rows.filter(
      (row) => this.#known.get(`${row.bannerId} ${row.minute}`)?.count !== row.count,
    )
    this.#known = known
    for (const reader of this.#readers) {
      const isFresh = this.#fresh.delete(reader)
      const wanted = (isFresh ? rows : changed).filter(
        ({ bannerId }) => reader.bannerId === undefined || reader.bannerId === bannerId,
      )
      if (isFresh || wanted.length > 0) reader.send(wanted)
    }
  }

  [Symbol.dispose](): void {
    this.#isEnded = true
    for (const reader of this.#readers) {
      this.remove(reader)
      reader.end()
    }
  }
}
