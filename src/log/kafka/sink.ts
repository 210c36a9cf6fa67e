import { ProduceAcks, Producer } from '@platformatic/kafka'
import type { Click } from '../../click.ts'
import { AppError } from '../../errors.ts'
import type { ClickSink, SinkState } from '../click-log.ts'
import { WaitingClicks, type WaitingClicksOptions } from '../waiting-clicks.ts'
import { clientOptions, tolerant, untilClosed, type KafkaConnection } from './client.ts'
import { isTooLarge } from './failure.ts'
import { encodeRecord } from './record.ts'

// The states of a click stand in waiting-clicks.ts. What is taken is one send, and one is under way at a time.

const RETRIES = 3
const RETRY_DELAY_MS = 100
const CONNECT_TIMEOUT_MS = 1_000
const REQUEST_TIMEOUT_MS = 2_000
const TROUBLE_AFTER_MS = 1_000
/** With the longest keys a click takes 350 bytes, and a broker takes 1 MiB at once if nobody has set less. */
export const SEND_MAX = 2_500

export interface KafkaSinkOptions extends WaitingClicksOptions {
  readonly connection: KafkaConnection
  readonly topic: string
  /** How many clicks one send may hold. */
  readonly sendMax: number
  /** Sees every send, for metrics. */
  readonly observe?: (clicks: number, isTaken: boolean, durationMs: number) => void
}

/**
 * Puts clicks into the topic. A click is durable when all replicas that are in sync have it.
 *
 * The producer is idempotent, so what it tries again itself is in the log once. What it has given up
 * may be in the log or not: its callers are told so, it is never sent again, and the client goes on
 * under another producer id, so that a late arrival cannot be taken for what comes next.
 */
export class KafkaSink implements ClickSink, AsyncDisposable {
  readonly #options: KafkaSinkOptions
  readonly #clicks: WaitingClicks
  readonly #producer: Producer
  readonly #stopped = Promise.withResolvers<void>()
  /** Only partitions that the store knows, so that nothing is acknowledged where nobody counts. */
  #partitions = 0
  #next = 0
  #lastAppendAt = 0
  #sendMax: number
  #sendSince: number | undefined
  #trouble: string | undefined
  #refusal: string | undefined = 'the topic is not opened yet'
  #isClosed = false

  constructor(options: KafkaSinkOptions) {
    this.#options = options
    this.#sendMax = options.sendMax
    this.#clicks = new WaitingClicks(options)
    this.#producer = tolerant(
      new Producer({
        ...clientOptions(options.connection, 'tallymark-api'),
        idempotent: true,
        retries: RETRIES,
        retryDelay: RETRY_DELAY_MS,
        connectTimeout: CONNECT_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
      }),
    )
    void this.#run()
  }

  append(click: Click): Promise<void> {
    if (this.#refusal !== undefined) {
      const reason = 'Clicks cannot be stored at the moment; see Retry-After.'
      return Promise.reject(new AppError('store_unavailable', reason))
    }
    return this.#clicks.append(click)
  }

  state(): SinkState {
    return {
      waiting: this.#clicks.size,
      trouble: this.#refusal ?? this.#trouble ?? this.#slowness(),
    }
  }

  #slowness(): string | undefined {
    if (this.#clicks.isFull) return 'too many clicks wait'
    const since = this.#sendSince ?? Infinity
    return performance.now() - since > TROUBLE_AFTER_MS ? 'the broker does not answer' : undefined
  }

  /** The shared clock after the log last took a click; 0 if it never did. */
  get lastAppendAt(): number {
    return this.#lastAppendAt
  }

  /** Clicks go to partitions 0 up to this, from now on. */
  open(partitions: number): void {
    this.#partitions = partitions
    this.#refusal = undefined
    // Whoever goes by /readyz sends nothing while there is trouble, so no click would end it.
    this.#trouble = undefined
    this.#clicks.wake()
  }

  /** Says that clicks can probably not be sent now, until one is, or `open` is called. */
  doubt(trouble: string): void {
    this.#trouble = trouble
  }

  /** Neither takes nor sends clicks until `open` is called: in this topic they would not be counted. */
  refuse(reason: string): void {
    this.#refusal = reason
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#clicks.lull(this.#sendMax)
      if (this.#clicks.untaken > 0 && this.#refusal === undefined) await this.#send()
      else if (this.#isClosed) break
      else await this.#clicks.untilWoken()
    }
    this.#stopped.resolve()
  }

  async #send(): Promise<void> {
    const { topic, observe, clock } = this.#options
    const clicks = this.#clicks.take(this.#sendMax).map(({ click }) => click)
    // All to one partition, the next send to the next: fewer and larger requests, as even in the end.
    const partition = this.#next++ % this.#partitions
    const messages = clicks.map((click) => ({ topic, partition, value: encodeRecord(click) }))
    const startedAt = performance.now()
    this.#sendSince = startedAt
    let isTaken = true
    try {
      await this.#producer.send({ messages, acks: ProduceAcks.ALL })
      this.#lastAppendAt = clock.now()
      this.#clicks.acknowledge()
    } catch (error) {
      isTaken = false
      this.#clicks.giveUp()
      // Of a topic whose max.message.bytes is small: the next ones fit, or those after them. It never grows
      // again: a limit that was raised is used after the next start.
      if (isTooLarge(error)) this.#sendMax = Math.ceil(clicks.length / 2)
    }
    this.#trouble = isTaken ? undefined : 'the broker does not take clicks'
    this.#sendSince = undefined
    observe?.(clicks.length, isTaken, performance.now() - startedAt)
  }

  giveUp(): void {
    this.#clicks.giveUpAll()
  }

  /** Takes nothing more in, and waits until what it has taken is sent, or given up. */
  async close(): Promise<void> {
    this.#clicks.close()
    this.#isClosed = true
    this.#clicks.wake()
    await this.#stopped.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    this.#clicks[Symbol.dispose]()
    await untilClosed(this.#producer.close(true))
  }
}
