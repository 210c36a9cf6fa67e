import { setImmediate as turn } from 'node:timers/promises'
import type { Click } from '../click.ts'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'

// A click's states:
//
//   append ──> waiting ──> taken ──acknowledge──> acknowledged
//     │           │          │
//     │ full      │ too long │ too long, or given up: answered store_unavailable, and it may still
//     v           v          v counted
//  overloaded  store_unavailable (dropped, so never counted)

const SWEEP_INTERVAL_MS = 50
const LULL_MAX_MS = 1

export interface WaitingClicksOptions {
  readonly clock: Clock
  /** How many clicks may be neither durable nor refused. */
  readonly waitingMax: number
  readonly ackTimeoutMs: number
  /** Told how many clicks became durable after they had been answered `store_unavailable`. */
  readonly onLate?: ((clicks: number) => void) | undefined
}

/** A click whose caller waits for the answer. */
export interface Waiter {
  readonly click: Click
  /** On the monotonic clock, which goes on while the shared clock is held still. */
  readonly since: number
  readonly resolve: () => void
  readonly reject: (error: AppError) => void
  isAnswered: boolean
}

/**
 * The clicks that a log has taken in and not yet made durable, and the callers who wait for it. Every
 * caller is answered within the time, whatever becomes of the click. One group of clicks is taken at
 * a time, to be made durable together.
 */
export class WaitingClicks implements Disposable {
  readonly #options: WaitingClicksOptions
  readonly #sweeping: NodeJS.Timeout
  #waiting: Waiter[] = []
  #taken: Waiter[] = []
  #isClosed = false
  #wake: () => void = () => {}

  constructor(options: WaitingClicksOptions) {
    this.#options = options
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref()
  }

  append(click: Click): Promise<void> {
    if (this.#isClosed)
      return Promise.reject(new AppError('overloaded', 'The service is stopping.'))
    // Answered at once: unbounded waiting would only move the failure into memory.
    if (this.isFull) {
      return Promise.reject(new AppError('overloaded', 'Too many clicks are waiting to be stored.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ click, since: performance.now(), resolve, reject, isAnswered: false })
      this.#wake()
    })
  }

  /** Clicks that are neither durable nor refused. */
  get size(): number {
    return this.#waiting.length + this.#taken.length
  }

  get isFull(): boolean {
    return this.size >= this.#options.waitingMax
  }

  /** Clicks that are not taken yet. */
  get untaken(): number {
    return this.#waiting.length
  }

  /** Resolves when a click comes, or when `wake` is called. */
  untilWoken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  wake(): void {
    this.#wake()
  }

  /** Waits for an event loop turn that brings no further click, or until there are `enough`. */
  async lull(enough: number): Promise<void> {
    const latest = performance.now() + LULL_MAX_MS
    for (let before = 0; before < this.#waiting.length;) {
      before = this.#waiting.length
      if (before >= enough || performance.now() > latest) return
      await turn()
    }
  }

  /** The oldest clicks, at most `max`, to be made durable together. */
  take(max: number): readonly Waiter[] {
    this.#taken = this.#waiting.splice(0, max)
    return this.#taken
  }

  /** Only here is a click acknowledged, and only after what was taken is durable. */
  acknowledge(): void {
    const { clock, ackTimeoutMs, onLate } = this.#options
    // `partial: false` is promised to readers by the shared clock: what it calls late must not be
    // acknowledged, even if this process slept and the sweep has not run yet.
    const now = clock.now()
    let late = 0
    for (const waiter of this.#taken) {
      if (!waiter.isAnswered && now - waiter.click.at <= ackTimeoutMs) {
        waiter.isAnswered = true
        waiter.resolve()
        continue
      }
      late += 1
      refuse(waiter)
    }
    this.#taken = []
    if (late > 0) onLate?.(late)
  }

  /** Answers those whose clicks were taken, and may or may not become durable. */
  giveUp(): void {
    for (const waiter of this.#taken) refuse(waiter)
    this.#taken = []
  }

  /** Takes nothing more in, and answers all: time is up. What is taken may still become durable. */
  giveUpAll(): void {
    this.close()
    for (const waiter of [...this.#taken, ...this.#waiting.splice(0)]) refuse(waiter)
  }

  /** Both lists are in order of arrival, so the first that is in time ends the search. */
  #sweep(): void {
    const deadline = performance.now() - this.#options.ackTimeoutMs
    const inTime = this.#waiting.findIndex(({ since }) => since > deadline)
    const expired = this.#waiting.splice(0, inTime === -1 ? this.#waiting.length : inTime)
    for (const waiter of expired) refuse(waiter)
    for (const waiter of this.#taken) {
      if (waiter.since > deadline) break
      refuse(waiter)
    }
  }

  /** Takes nothing more in; what is waiting stays. */
  close(): void {
    this.#isClosed = true
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweeping)
    this.giveUpAll()
  }
}

function refuse(waiter: Waiter): void {
  if (waiter.isAnswered) return
  waiter.isAnswered = true
  waiter.reject(
    new AppError('store_unavailable', 'The click could not be stored in time; see Retry-After.'),
  )
}
