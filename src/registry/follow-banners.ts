import { AppError } from '../errors.ts'
import { sleep } from '../lib/background.ts'
import type { BannerRegistry } from './banner-registry.ts'

const INTERVAL_MS = 1_000

/** Learns of the changes that other processes make, within a second, until `signal` aborts. */
export async function followBanners(
  registry: Pick<BannerRegistry, 'refresh'>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(INTERVAL_MS, signal)
    await registry.refresh().catch(passUnlessBroken)
  }
}

/** While the store is away this process goes on with what it knows. */
function passUnlessBroken(error: unknown): void {
  if (!(error instanceof AppError && error.code === 'store_unavailable')) throw error
}
