import { randomUUID } from 'node:crypto'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import type { Click } from '../click.ts'
import type { Clock } from '../clock.ts'
import { AppError, OperatorError } from '../errors.ts'
import type { Batch, ClickSink, ClickSource, Outcome, SinkState } from './click-log.ts'

// A click's states:
//
//   append ──> waiting ──> in the batch ──counted──> acknowledged
//     │           │             │
//     │ full      │ too long    │ too long: answered store_unavailable, but the batch goes on
//     v           v             v
//  overloaded  store_unavailable (dropped from the log, so never counted)

const SWEEP_INTERVAL_MS = 50
const RETRY_PAUSE_MIN_MS = 20
const RETRY_PAUSE_MAX_MS = 500
const LULL_MAX_MS = 1
const TROUBLE_AFTER_MS = 1_000

export interface DirectLogOptions {
  /** This process's writer, registered in the store at position 0: `writer:<uuid>`. */
  readonly source: string
  readonly clock: Clock
  /** How many clicks may be neither durable nor refused. */
  readonly waitingMax: number
  /** How many clicks one transaction may count: bounds its duration. */
  readonly batchMax: number
  readonly ackTimeoutMs: number
  /** The longest pause before a batch in doubt is yielded again; shorter in tests. */
  readonly retryPauseMaxMs?: number
  /** Why the store could not take a batch now, as far as others know: seen before a click comes. */
  readonly storeTrouble?: () => string | undefined
  /** Told how many clicks were counted after they had been answered `store_unavailable`. */
  readonly onLate?: (clicks: number) => void
}

interface Waiter {
  readonly click: Click
  /** On the monotonic clock, which goes on while the shared clock is held still. */
  readonly since: number
  readonly resolve: () => void
  readonly reject: (error: AppError) => void
  isAnswered: boolean
}

/**
 * A log without a broker, by group commit: clicks that arrive while one batch is committed form
 * the next batch, together with those that the event loop has at hand then. Batches grow with the
 * load and an idle log commits at once: no timer, no batch-size knob.
 *
 * A click is durable when its batch is in the store, so `append` waits for exactly that. A batch
 * whose outcome is in doubt is yielded again unchanged until the store has settled it: recomposed,
 * it could count a click twice, or acknowledge one that was never counted.
 */
export class DirectLog implements ClickSink, ClickSource, Disposable {
  readonly #options: DirectLogOptions
  readonly #sweeping: NodeJS.Timeout
  #next = 0n
  #waiting: Waiter[] = []
  #batch: Waiter[] = []
  #batchSince = 0
  #trouble: string | undefined
  #isClosed = false
  #wake: () => void = () => {}

  constructor(options: DirectLogOptions) {
    this.#options = options
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS).unref()
  }

  append(click: Click): Promise<void> {
    if (this.#isClosed)
      return Promise.reject(new AppError('overloaded', 'The service is stopping.'))
    // Answered at once: unbounded waiting would only move the failure into memory.
    if (this.#waiting.length + this.#batch.length >= this.#options.waitingMax) {
      return Promise.reject(new AppError('overloaded', 'Too many clicks are waiting to be stored.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ click, since: performance.now(), resolve, reject, isAnswered: false })
      this.#wake()
    })
  }

  state(): SinkState {
    return {
      waiting: this.#waiting.length + this.#batch.length,
      trouble: this.#trouble ?? this.#slowness() ?? this.#options.storeTrouble?.(),
    }
  }

  #slowness(): string | undefined {
    const { waitingMax } = this.#options
    if (this.#waiting.length + this.#batch.length >= waitingMax) return 'too many clicks wait'
    const isSlow = this.#batch.length > 0 && performance.now() - this.#batchSince > TROUBLE_AFTER_MS
    return isSlow ? 'the store does not answer' : undefined
  }

  async *batches(signal: AbortSignal): AsyncGenerator<Batch> {
    signal.addEventListener('abort', () => this.#wake(), { once: true })
    for (;;) {
      await this.#lull()
      if (this.#waiting.length > 0) yield* this.#untilCounted()
      else if (signal.aborted) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** Waits for an event loop turn that brings no further click, or until a batch is full. */
  async #lull(): Promise<void> {
    const latest = performance.now() + LULL_MAX_MS
    for (let before = 0; before < this.#waiting.length;) {
      before = this.#waiting.length
      if (before >= this.#options.batchMax || performance.now() > latest) return
      await turn()
    }
  }

  async *#untilCounted(): AsyncGenerator<Batch> {
    const waiters = this.#waiting.splice(0, this.#options.batchMax)
    this.#batch = waiters
    this.#batchSince = performance.now()
    const { source, retryPauseMaxMs = RETRY_PAUSE_MAX_MS } = this.#options
    const span = { source, from: this.#next, to: this.#next + 1n, batchId: randomUUID() }
    const clicks = waiters.map(({ click }) => click)
    for (let retry = 0; ; retry += 1) {
      const outcomes: Outcome[] = []
      yield { span, clicks, suspects: [], settle: (outcome) => void outcomes.push(outcome) }
      const [outcome] = outcomes
      if (outcome?.kind === 'counted') break
      if (outcome?.kind === 'rejected') throw outcome.cause
      if (outcome?.kind === 'superseded') throw new OperatorError(foreign(source))
      this.#trouble = 'the store is away'
      await pause(Math.min(RETRY_PAUSE_MIN_MS * 2 ** retry, retryPauseMaxMs))
    }
    this.#trouble = undefined
    this.#next = span.to
    this.#batch = []
    this.#acknowledge(waiters)
  }

  /** Only here is a click acknowledged, and only after its batch was counted. */
  #acknowledge(waiters: readonly Waiter[]): void {
    const { clock, ackTimeoutMs, onLate } = this.#options
    // `partial: false` is promised to readers by the shared clock: what it calls late must not be
    // acknowledged, even if this process slept and the sweep has not run yet.
    const now = clock.now()
    let late = 0
    for (const waiter of waiters) {
      if (!waiter.isAnswered && now - waiter.click.at <= ackTimeoutMs) {
        waiter.isAnswered = true
        waiter.resolve()
        continue
      }
      late += 1
      refuse(waiter)
    }
    if (late > 0) onLate?.(late)
  }

  /** Both lists are in order of arrival, so the first that is in time ends the search. */
  #sweep(): void {
    const deadline = performance.now() - this.#options.ackTimeoutMs
    const inTime = this.#waiting.findIndex(({ since }) => since > deadline)
    const expired = this.#waiting.splice(0, inTime === -1 ? this.#waiting.length : inTime)
    for (const waiter of expired) refuse(waiter)
    for (const waiter of this.#batch) {
      if (waiter.since > deadline) break
      refuse(waiter)
    }
  }

  /** Takes nothing more in; what is waiting is still counted. */
  close(): void {
    this.#isClosed = true
  }

  [Symbol.dispose](): void {
    this.close()
    clearInterval(this.#sweeping)
    for (const waiter of [...this.#batch, ...this.#waiting]) refuse(waiter)
  }
}

function refuse(waiter: Waiter): void {
  if (waiter.isAnswered) return
  waiter.isAnswered = true
  waiter.reject(
    new AppError('store_unavailable', 'The click could not be stored in time; see Retry-After.'),
  )
}

function foreign(source: string): string {
  return `The position of ${source} is not where this process left it: the database went back (a failover that lost transactions, a restored backup), or somebody else changed it. This process stops; clicks that it has not acknowledged are not counted.`
}
