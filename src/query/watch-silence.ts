import { isUnavailable } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { CountStore } from '../store/count-store.ts'
import { slicesOf } from './series.ts'
import { countSilent, silenceRanges } from './silence.ts'

const INTERVAL_MS = 5 * 60_000
/** After a question that the store did not answer. */
const RETRY_MS = 10_000

export interface SilenceParts {
  readonly counts: Pick<CountStore, 'totals'>
  readonly isActive: (bannerId: number) => boolean
  /** Told each time how many banners fell silent. */
  readonly observe: (silent: number) => void
  /** Shorter in tests. */
  readonly intervalMs?: number | undefined
}

/** Counts every five minutes which banners fell silent, until `signal` aborts. */
export async function watchSilence(parts: SilenceParts, signal: AbortSignal): Promise<void> {
  const { observe, intervalMs = INTERVAL_MS } = parts
  while (!signal.aborted) {
    let pauseMs = Math.min(RETRY_MS, intervalMs)
    try {
      observe(await silentNow(parts))
      pauseMs = intervalMs
    } catch (error) {
      // While the store is away the last number stands; the lag says how old it is.
      if (!isUnavailable(error)) throw error
    }
    await sleep(pauseMs, signal)
  }
}

async function silentNow({ counts, isActive }: SilenceParts): Promise<number> {
  const { completeUntil } = await counts.totals('click', [])
  const ranges = silenceRanges(completeUntil)
  if (ranges === undefined) return 0
  // Who was clicked is asked last: a click that comes meanwhile breaks the silence.
  const { rows: weekAgo } = await counts.totals('click', slicesOf(ranges.weekAgo))
  const { rows: lastHour } = await counts.totals('click', slicesOf(ranges.lastHour))
  return countSilent(weekAgo, lastHour, isActive)
}
