import { signal, type ReadonlySignal } from '@preact/signals'
import { Problem, Unreachable } from '../api/problem.ts'

const RETRY_MIN_MS = 3_000
/** While there is no answer, somebody waits for it; a service that answers that it cannot is spared. */
const UNREACHABLE_RETRY_MAX_MS = 10_000
const PROBLEM_RETRY_MAX_MS = 60_000

export interface ScheduleOptions {
  readonly work: () => Promise<void>
  /** How long to wait after it was done. */
  readonly nextMs: () => number
}

/**
 * Does its work at once and again and again, never twice at a time, and never while the tab is hidden.
 * What failed is tried again, ever more seldom; what the service refuses (4xx) only when it is wanted.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #failure = signal<unknown>(undefined)
  #timer: ReturnType<typeof setTimeout> | undefined
  #isWorking = false
  #isWanted = false
  #isEnded = false
  #failures = 0

  constructor(options: ScheduleOptions) {
    this.#options = options
    document.addEventListener('visibilitychange', this.#follow)
    void this.#run()
  }

  /** Why it failed the last time; undefined: it did not. */
  get failure(): ReadonlySignal<unknown> {
    return this.#failure
  }

  get isWorking(): boolean {
    return this.#isWorking
  }

  /** Somebody wants it: now, or once more as soon as what is under way is done. */
  soon(): void {
    this.#isWanted = true
    this.#failures = 0
    void this.#run()
  }

  /** Something has changed: now, but for a service that has refused or cannot. */
  refresh(): void {
    if (!(this.#failure.peek() instanceof Problem)) this.soon()
  }

  /** Now, if there was no answer: there are some again. */
  recover(): void {
    if (this.#failure.peek() instanceof Unreachable) this.soon()
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
    if (this.#isWorking || this.#isEnded || document.hidden) return
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
    const delayMs = failure === undefined ? this.#options.nextMs() : this.#retryMs(failure)
    if (failure === undefined) this.#failures = 0
    this.#wait(this.#isWanted ? 0 : delayMs)
  }

  /** Undefined: for ever. */
  #wait(delayMs: number | undefined): void {
    if (document.hidden || delayMs === undefined) return
    this.#timer = setTimeout(() => void this.#run(), delayMs)
  }

  #retryMs(failure: unknown): number | undefined {
    const problem = failure instanceof Problem ? failure : undefined
    if (problem !== undefined && problem.status < 500) return undefined
    this.#failures += 1
    const maxMs = problem === undefined ? UNREACHABLE_RETRY_MAX_MS : PROBLEM_RETRY_MAX_MS
    const delayMs = Math.min(RETRY_MIN_MS * 2 ** (this.#failures - 1), maxMs)
    // Spread: those who failed together would come again together.
    return Math.max(delayMs, problem?.retryAfterMs ?? 0) * (0.75 + Math.random() / 2)
  }
}
