import { isUnavailable } from '../errors.ts'
import { sleep } from '../lib/background.ts'

/** Lets commits that wait go first; after a step that took longer, as long as that took. */
const STEP_PAUSE_MS = 25
const IDLE_PAUSE_MS = 60_000

export interface Purge {
  /** Deletes up to `limit` rows, and returns how many there were. */
  readonly step: (limit: number) => Promise<number>
  /** So few that a step is over before a waiting commit would notice. */
  readonly stepRows: number
  readonly onPurged: (rows: number) => void
  /** For tests; between looks when there is nothing to delete. */
  readonly idlePauseMs?: number
}

/** Deletes what is too old, a few rows at a time, until `signal` aborts. */
export async function runPurge(purge: Purge, signal: AbortSignal): Promise<void> {
  const { stepRows, onPurged, idlePauseMs = IDLE_PAUSE_MS } = purge
  while (!signal.aborted) {
    const startedAt = performance.now()
    const purged = await purgeStep(purge)
    onPurged(purged)
    const pauseMs = Math.max(STEP_PAUSE_MS, performance.now() - startedAt)
    await sleep(purged === stepRows ? pauseMs : idlePauseMs, signal)
  }
}

async function purgeStep({ step, stepRows }: Purge): Promise<number> {
  try {
    return await step(stepRows)
  } catch (error) {
    // A store that is away loses nothing here: the rows wait for the next step.
    if (isUnavailable(error)) return 0
    throw error
  }
}
