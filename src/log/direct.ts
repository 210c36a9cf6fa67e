import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Click } from '../click.ts'
import { OperatorError } from '../errors.ts'
import type { Batch, ClickSink, ClickSource, Outcome, SinkState } from './click-log.ts'
import { WaitingClicks, type WaitingClicksOptions } from './waiting-clicks.ts'

const RETRY_PAUSE_MIN_MS = 20
const RETRY_PAUSE_MAX_MS = 500
const TROUBLE_AFTER_MS = 1_000

export interface DirectLogOptions extends WaitingClicksOptions {
  /** This process's writer, registered in the store at position 0: `writer:<uuid>`. */
  readonly source: string
  /** How many clicks one transaction may count: bounds its duration. */
  readonly batchMax: number
  /** The longest pause before a batch in doubt is yielded again; shorter in tests. */
  readonly retryPauseMaxMs?: number
  /** Why the store could not take a batch now, as far as others know: seen before a click comes. */
  readonly storeTrouble?: () => string | undefined
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
  readonly #clicks: WaitingClicks
  #next = 0n
  #batchSince: number | undefined
  #trouble: string | undefined

  constructor(options: DirectLogOptions) {
    this.#options = options
    this.#clicks = new WaitingClicks(options)
  }

  append(click: Click): Promise<void> {
    return this.#clicks.append(click)
  }

  state(): SinkState {
    return {
      waiting: this.#clicks.size,
      trouble: this.#trouble ?? this.#slowness() ?? this.#options.storeTrouble?.(),
    }
  }

  #slowness(): string | undefined {
    if (this.#clicks.isFull) return 'too many clicks wait'
    const since = this.#batchSince ?? Infinity
    return performance.now() - since > TROUBLE_AFTER_MS ? 'the store does not answer' : undefined
  }

  async *batches(signal: AbortSignal): AsyncGenerator<Batch> {
    const { batchMax } = this.#options
    signal.addEventListener('abort', () => this.#clicks.wake(), { once: true })
    for (;;) {
      await this.#clicks.lull(batchMax)
      if (this.#clicks.untaken > 0) yield* this.#untilCounted()
      else if (signal.aborted) return
      else await this.#clicks.untilWoken()
    }
  }

  async *#untilCounted(): AsyncGenerator<Batch> {
    const { source, batchMax, retryPauseMaxMs = RETRY_PAUSE_MAX_MS } = this.#options
    const clicks = this.#clicks.take(batchMax).map(({ click }) => click)
    this.#batchSince = performance.now()
    const span = { source, from: this.#next, to: this.#next + 1n, batchId: randomUUID() }
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
    this.#batchSince = undefined
    this.#next = span.to
    this.#clicks.acknowledge()
  }

  /** Takes nothing more in; what is waiting is still counted. */
  close(): void {
    this.#clicks.close()
  }

  giveUp(): void {
    this.#clicks.giveUpAll()
  }

  [Symbol.dispose](): void {
    this.#clicks[Symbol.dispose]()
  }
}

function foreign(source: string): string {
  return `The position of ${source} is not where this process left it: the database went back (a failover that lost transactions, a restored backup), or somebody else changed it. This process stops; clicks that it has not acknowledged are not counted.`
}
