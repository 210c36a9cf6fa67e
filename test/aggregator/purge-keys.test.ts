import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runKeyPurge } from '../../src/aggregator/purge-keys.ts'
import { AppError } from '../../src/errors.ts'

/** Runs the purge against a script of what each step does, until the script is over. */
async function purgeBy(steps: readonly (number | Error)[]) {
  const stop = new AbortController()
  const asked: { retentionMs: number; limit: number }[] = []
  let purged = 0
  const store = {
    async purgeKeys(retentionMs: number, limit: number): Promise<number> {
      const step = steps[asked.length]
      asked.push({ retentionMs, limit })
      if (asked.length >= steps.length) stop.abort()
      if (step instanceof Error) throw step
      return step ?? 0
    },
  }
  const onPurged = (keys: number): void => void (purged += keys)
  await runKeyPurge(store, { retentionMs: 400_000, onPurged, idlePauseMs: 1 }, stop.signal)
  return { asked, purged }
}

test('keys are forgotten after the retention, in small steps, again and again', async () => {
  const { asked, purged } = await purgeBy([500, 500, 17, 0, 3])
  assert.equal(purged, 1_020)
  assert.deepEqual(
    asked,
    asked.map(() => ({ retentionMs: 400_000, limit: 500 })),
  )
})

test('a store that is away is asked again later', async () => {
  const away = new AppError('store_unavailable', 'away')
  const { purged } = await purgeBy([away, 5])
  assert.equal(purged, 5)
})

test('a store that cannot be trusted ends the purge', async () => {
  await assert.rejects(purgeBy([new Error('disk I/O error'), 5]), /disk I\/O error/)
})
