// The real process, stopped while clicks arrive, on either store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../support/database.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { startService, temporaryFolder, totalOf } from '../support/service.ts'

async function stopUnderLoad(settings: Record<string, string>): Promise<void> {
  const service = await startService(settings)
  const result = emptyResult()
  const loading = runLoad({
    origin: service.origin,
    connections: 32,
    result,
    next: () => (service.child.exitCode === null ? { path: '/counter/7' } : undefined),
  })
  await pause(500)
  assert.equal(await service.stop('SIGTERM'), 0, service.output())
  await loading
  assert.match(service.output(), /Stopped; every acknowledged click is counted/)
  await using again = await startService(settings)
  assert.ok(result.acknowledged > 100)
  assert.deepEqual([...result.refused], [])
  // On a busy machine one may come after the last call; without it, half of the connections had one.
  assert.ok(result.unanswered <= 4, `${result.unanswered} requests got no answer`)
  const counted = await totalOf(again.origin)
  assert.ok(counted >= result.acknowledged, `lost ${result.acknowledged - counted}`)
  // A request that crossed the closing of its connection was never read, so never counted.
  assert.equal(counted, result.acknowledged)
}

test('I1: SIGTERM under load: everything accepted is answered, and the count is what was acknowledged', async () => {
  using folder = temporaryFolder()
  await stopUnderLoad({ DATA_DIR: folder.path })
})

test('I1: SIGTERM under load on Postgres: as on the embedded store', async () => {
  await using database = await createDatabase()
  await stopUnderLoad({ DATABASE_URL: database.url })
})
