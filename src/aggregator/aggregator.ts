import { BatchRejected, isUnavailable } from '../errors.ts'
import type { Batch, ClickSource, Outcome } from '../log/click-log.ts'
import type { CountStore } from '../store/count-store.ts'
import { aggregate } from './aggregate.ts'

/** Sees every attempt, for metrics: what came of it, and how long it took. */
export type AttemptObserver = (batch: Batch, outcome: Outcome, durationMs: number) => void

/**
 * Counts batches until `signal` aborts and the source has nothing left. The same loop serves every
 * source: what comes after an outcome is decided there. Rejects when the store can't be trusted.
 */
export async function runAggregator(
  source: ClickSource,
  store: Pick<CountStore, 'commit'>,
  signal: AbortSignal,
  observe: AttemptObserver = () => {},
): Promise<void> {
  for await (const batch of source.batches(signal)) {
    const startedAt = performance.now()
    const outcome = await attempt(store, batch)
    observe(batch, outcome, performance.now() - startedAt)
    batch.settle(outcome)
  }
}

async function attempt(store: Pick<CountStore, 'commit'>, batch: Batch): Promise<Outcome> {
  try {
    return { kind: await store.commit(aggregate(batch)) }
  } catch (error) {
    if (isUnavailable(error)) return { kind: 'in-doubt', cause: error }
    if (error instanceof BatchRejected) return { kind: 'rejected', cause: error }
    throw error
  }
}
