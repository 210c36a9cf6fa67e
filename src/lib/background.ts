import { setTimeout as pause } from 'node:timers/promises'

/**
 * Runs a loop until disposal; `fail` is told if it ends by an error. Disposal waits for its end, but no
 * longer than `graceMs`: what it does then need not be finished.
 */
export function background(
  fail: (cause: unknown) => void,
  run: (signal: AbortSignal) => Promise<void>,
  graceMs = Infinity,
): AsyncDisposable {
  const stop = new AbortController()
  const running = run(stop.signal).catch(fail)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      const waits = Number.isFinite(graceMs) ? [running, pause(graceMs)] : [running]
      await Promise.race(waits)
    },
  }
}

/** Runs once `ready` has resolved, or not at all if the signal comes first. */
export async function after(
  ready: Promise<void>,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  await Promise.race([ready, aborted])
  if (!signal.aborted) await run(signal)
}

/** Waits, but not beyond the signal. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
