import type { CountStore } from '../store/count-store.ts'
import type { PurgeOptions } from './purge-keys.ts'
import { runPurge } from './purge.ts'

const STEP_ROWS = 500

/** Gives up old minutes, a few at a time, until `signal` aborts; quarters of an hour and days stay. */
export function runMinutePurge(
  store: Pick<CountStore, 'purgeMinutes'>,
  { retentionMs, ...options }: PurgeOptions,
  signal: AbortSignal,
): Promise<void> {
  const step = (limit: number): Promise<number> => store.purgeMinutes(retentionMs, limit)
  return runPurge({ ...options, step, stepRows: STEP_ROWS }, signal)
}
