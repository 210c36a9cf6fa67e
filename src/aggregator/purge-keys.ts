import type { CountStore } from '../store/count-store.ts'
import { runPurge, type Purge } from './purge.ts'

const STEP_KEYS = 500

export interface PurgeOptions extends Pick<Purge, 'onPurged' | 'idlePauseMs'> {
  readonly retentionMs: number
}

/** Forgets old idempotency keys, a few at a time, until `signal` aborts. */
export function runKeyPurge(
  store: Pick<CountStore, 'purgeKeys'>,
  { retentionMs, ...options }: PurgeOptions,
  signal: AbortSignal,
): Promise<void> {
  const step = (limit: number): Promise<number> => store.purgeKeys(retentionMs, limit)
  return runPurge({ ...options, step, stepRows: STEP_KEYS }, signal)
}
