import { signal, type ReadonlySignal } from '@preact/signals'

const RETRY_MS = 3_000

export interface ScheduleOptions {
  readonly work: () => Promise<void>
  /** How long to wait after it was done. */
  readonly nextMs: () => number
}

/** Does its work at once and again and again, never twice at a time, and never while the tab is hidden. */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #failure = signal<unknown>(undefined)
  #timer: ReturnType<typeof setTimeout> | undefined
  #isWorking = false
  #isWanted = false
  #isEnded = false

  constructor(options: ScheduleOptions) {
    this.#options = options
    document.addEventListener('visibilitychange', this.#follow)
    void this.#run()
  }

  /** Why it failed the last time; undefined: it did not. */
  get failure(): ReadonlySignal<unknown> {
    return this.#failure
  }

  /** Now, or once more as soon as what is under way is done. */
  soon(): void {
    this.#isWanted = true
    void this.#run()
  }

  close(): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
    document.removeEventListener('visibilitychange', this.#follow)
  }

  readonly #follow = (): void => {
    if (document.hidden) clearTimeout(this.#timer)
    else this.soon()
  }

  async #run(): Promise<void> {
    if (this.#isWorking || this.#isEnded) return
    clearTimeout(this.#timer)
    this.#isWorking = true
    this.#isWanted = false
    let failure: unknown
    try {
      await this.#options.work()
    } catch (error) {
      failure = error
    }
    this.#isWorking = false
    if (this.#isEnded) return
    this.#failure.value = failure
    if (document.hidden) return
    const delayMs = failure === undefined ? this.#options.nextMs() : RETRY_MS
    this.#timer = setTimeout(() => void this.#run(), this.#isWanted ? 0 : delayMs)
  }
}
