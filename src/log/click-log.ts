import type { Click } from '../click.ts'
import type { AppError, BatchRejected } from '../errors.ts'

/**
 * A stretch of one source of clicks. The store keeps the source's position beside the counts, so
 * that a stretch is counted once however often it is tried.
 */
export interface Span {
  /** `writer:<uuid>` (from and to count its batches) or `<topic>/<partition>` (offsets). */
  readonly source: string
  readonly from: bigint
  readonly to: bigint
  /** A random UUID: tells this batch from any other that begins at the same position. */
  readonly batchId: string
  /** Of a partition: everything acknowledged before this instant lies below `to`. */
  readonly completeUntil?: number
}

/**
 * A record that may be no click. If it reads as one, the store counts it if its banner was ever
 * registered; otherwise it keeps the bytes as a dead letter.
 */
export interface Suspect {
  /** Its offset. */
  readonly position: bigint
  readonly bytes: Uint8Array
  readonly click?: Click
  /** Why it is not counted, if it is not. */
  readonly reason: string
}

/** What became of one attempt to count a batch. */
export type Outcome =
  /** The store holds it: now, or already since an earlier attempt whose answer was lost. */
  | { readonly kind: 'counted' }
  /** The source's position is not where the batch begins, and another batch moved it. */
  | { readonly kind: 'superseded' }
  /** The store did not say, and the batch may still land. */
  | { readonly kind: 'in-doubt'; readonly cause: AppError }
  /** The store will never take the batch as it is, and holds nothing of it. */
  | { readonly kind: 'rejected'; readonly cause: BatchRejected }

/** Clicks that are counted in one store transaction. */
export interface Batch {
  readonly span: Span
  readonly clicks: readonly Click[]
  readonly suspects: readonly Suspect[]
  /** Called once for each time the batch was yielded; the log alone decides what it yields next. */
  settle(outcome: Outcome): void
}

export interface SinkState {
  /** Clicks that are neither durable nor refused yet. */
  readonly waiting: number
  /** Why clicks are not becoming durable at the moment; undefined while they are. */
  readonly trouble: string | undefined
}

/**
 * Where the collector puts clicks. Contract (test/contract/click-log.ts):
 * - `append` resolves when the click is durable: it survives kill -9 and will be counted once.
 * - It rejects with `overloaded` if the click was never taken in, and is never counted.
 * - It rejects with `store_unavailable` if the click is not known to be durable in time. It is
 *   counted at most once.
 * - After `giveUp`, when time is up, what waits rejects with `store_unavailable`, and what comes with `overloaded`.
 */
export interface ClickSink {
  append(click: Click): Promise<void>
  state(): SinkState
  giveUp(): void
}

/**
 * Where the aggregator takes batches from. Contract (test/contract/click-log.ts):
 * - Every click that was taken in is yielded until its batch is counted.
 * - However an attempt to count a batch ends, the store counts no click twice. Each log has a way of its
 *   own: to one that alone moves its position (direct), a batch in doubt is yielded again unchanged, and
 *   nothing else before it; one whose position others move, too (Kafka), goes on from the position that the
 *   store has, and may compose its batches anew.
 * - After `signal` what waits is yielded, then the iteration ends. A log that outlives the process may
 *   leave it to another process that counts.
 */
export interface ClickSource {
  batches(signal: AbortSignal): AsyncIterable<Batch>
}
