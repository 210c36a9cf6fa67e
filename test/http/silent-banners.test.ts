// Banners that fell silent, told by a service that finds a week behind it.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startKafkaApp, until, untilStatus } from '../support/kafka-app.ts'
import { metricsOf } from '../support/metrics.ts'
import { insertPast, type PastCount } from '../support/past.ts'
import { createPlace, needsOf, SERVICE_SHAPES, type ShapeName } from '../support/shapes.ts'

const WEEK_MS = 7 * 86_400_000
const QUARTER_MS = 15 * 60_000

/** The last two quarters of an hour, a week ago: either is in the hour that is compared. */
function quartersAWeekAgo(): string[] {
  const quarter = Math.floor(Date.now() / QUARTER_MS) * QUARTER_MS - WEEK_MS
  return [1, 2].map((back) => new Date(quarter - back * QUARTER_MS).toISOString())
}

async function silentOf(origin: string): Promise<number | undefined> {
  return (await metricsOf(origin)).get('banners_silent')
}

async function check(shape: ShapeName): Promise<void> {
  await using place = await createPlace(shape)
  const { settings, folder, dataFolder } = place
  const database = settings['DATABASE_URL'] ?? ''
  const given = { ...settings, BANNERS_FILE: join(folder, 'banners.json') }
  const banners = [1, 2, 3, 4, 5].map((id) => ({ id, name: `Banner ${id}` }))

  writeFileSync(given.BANNERS_FILE, JSON.stringify(banners))
  {
    await using first = await startKafkaApp(given)
    await until('nobody is silent', async () => (await silentOf(first.origin)) === 0)
    await untilStatus(`${first.origin}/readyz`, 200)
    await fetch(`${first.origin}/banners/5`, { method: 'DELETE' })
    const answer = await fetch(`${first.origin}/counter/2`, { method: 'POST' })
    assert.equal(answer.status, 200)
  }
  // 1 and 4 are silent; 2 was clicked a moment ago, 3 had too few clicks, and 5 is archived.
  const [late = '', early = ''] = quartersAWeekAgo()
  const past: PastCount[] = [
    [1, late, 6],
    [1, early, 4],
    [2, late, 50],
    [3, late, 9],
    [4, early, 10],
    [5, late, 50],
  ]
  const store =
    dataFolder === undefined
      ? ({ kind: 'postgres', url: database } as const)
      : ({ kind: 'sqlite', folder: dataFolder } as const)
  await insertPast({ store }, past)
  await using again = await startKafkaApp(given)
  await until('two are silent', async () => (await silentOf(again.origin)) === 2)
}

for (const shape of SERVICE_SHAPES) {
  describe(shape, needsOf(shape), () => {
    test('O19: banners that fell silent are counted, by the same hour a week ago', () =>
      check(shape))
  })
}
