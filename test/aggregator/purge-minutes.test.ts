import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runMinutePurge } from '../../src/aggregator/purge-minutes.ts'
import { AppError } from '../../src/errors.ts'

const RETENTION_MS = 86_400_000

/** Runs the purge against a script of what each step does, until the script is over. */
async function purgeBy(steps: readonly ('all' | number | Error)[]) {
  const stop = new AbortController()
  const asked: { retentionMs: number; limit: number }[] = []
  const found: number[] = []
  const store = {
    async purgeMinutes(retentionMs: number, limit: number): Promise<number> {
      const step = steps[asked.length]
      asked.push({ retentionMs, limit })
      if (asked.length >= steps.length) stop.abort()
      if (step instanceof Error) throw step
      return step === 'all' ? limit : (step ?? 0)
    },
  }
  const onPurged = (rows: number): void => void found.push(rows)
  const options = { retentionMs: RETENTION_MS, onPurged, idlePauseMs: 1 }
  await runMinutePurge(store, options, stop.signal)
  return { asked, found }
}

test('O21: minutes are given up in small steps, again and again', async () => {
  const { asked, found } = await purgeBy(['all', 'all', 17, 0, 3])
  const [{ limit } = { limit: 0 }] = asked
  assert.ok(limit > 0 && limit <= 1_000)
  assert.deepEqual(found, [limit, limit, 17, 0, 3])
  assert.deepEqual(
    asked,
    asked.map(() => ({ retentionMs: RETENTION_MS, limit })),
  )
})

test('O21: a store that is away is asked again later', async () => {
  const { found } = await purgeBy([new AppError('store_unavailable', 'away'), 5])
  assert.deepEqual(found, [0, 5])
})

test('a store that cannot be trusted ends the purge', async () => {
  await assert.rejects(purgeBy([new Error('disk I/O error'), 5]), /disk I\/O error/)
})
