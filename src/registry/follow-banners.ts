import { isUnavailable, type AppError } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { BannerRegistry } from './banner-registry.ts'

const INTERVAL_MS = 1_000

/**
 * Learns of the changes that other processes make, within a second, until `signal` aborts. So it is the
 * first to see whether the store answers: `observe` is told each time, of a failure or of none.
 */
export async function followBanners(
  registry: Pick<BannerRegistry, 'refresh'>,
  signal: AbortSignal,
  observe: (error: AppError | undefined) => void,
): Promise<void> {
  for (;;) {
    await sleep(INTERVAL_MS, signal)
    if (signal.aborted) return
    try {
      await registry.refresh()
      observe(undefined)
    } catch (error) {
      // While the store is away this process goes on with what it knows.
      if (!isUnavailable(error)) throw error
      if (!signal.aborted) observe(error)
    }
  }
}
