import { isUnavailable } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { BannerRegistry } from './banner-registry.ts'

const INTERVAL_MS = 1_000

/** Learns of the changes that other processes make, within a second, until `signal` aborts. */
export async function followBanners(
  registry: Pick<BannerRegistry, 'refresh'>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(INTERVAL_MS, signal)
    if (signal.aborted) return
    await registry.refresh().catch((error: unknown) => {
      // While the store is away this process goes on with what it knows.
      if (!isUnavailable(error)) throw error
    })
  }
}
