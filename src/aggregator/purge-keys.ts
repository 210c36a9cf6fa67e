import { isUnavailable } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { CountStore } from '../store/count-store.ts'

/** So few that a step is over before a waiting commit would notice. */
const STEP_KEYS = 500
const STEP_PAUSE_MS = 25
const IDLE_PAUSE_MS = 60_000

export interface PurgeOptions {
  readonly retentionMs: number
  readonly onPurged: (keys: number) => void
  /** For tests; between looks when there is nothing to forget. */
  readonly idlePauseMs?: number
}

/** Forgets old idempotency keys, a few at a time, until `signal` aborts. */
export async function runKeyPurge(
  store: Pick<CountStore, 'purgeKeys'>,
  options: PurgeOptions,
  signal: AbortSignal,
): Promise<void> {
  const { retentionMs, onPurged, idlePauseMs = IDLE_PAUSE_MS } = options
  while (!signal.aborted) {
    const purged = await purgeStep(store, retentionMs)
    onPurged(purged)
    await sleep(purged === STEP_KEYS ? STEP_PAUSE_MS : idlePauseMs, signal)
  }
}

async function purgeStep(
  store: Pick<CountStore, 'purgeKeys'>,
  retentionMs: number,
): Promise<number> {
  try {
    return await store.purgeKeys(retentionMs, STEP_KEYS)
  } catch (error) {
    // A store that is away loses nothing here: the keys wait for the next step.
    if (isUnavailable(error)) return 0
    throw error
  }
}
