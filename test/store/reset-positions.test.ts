// A topic that is counted from elsewhere.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { hold, runSql } from '../support/database.ts'
import {
  batchIn,
  completeUntilOf,
  LEASE_MS,
  letPass,
  nextsOf,
  opened,
  openEmpty,
  TOPIC,
} from '../support/partitions.ts'
import { clickOf, NOON, sumOf, untilMerged } from '../support/postgres-store.ts'

test('positions are not reset while somebody counts, or where there are none', async () => {
  const { url, store, topicId, partitions } = await opened([0n])
  await using _ = store
  const reset = () => partitions.resetPositions(TOPIC, topicId, [{ number: 0, next: 0n }])
  await partitions.renewLeases(TOPIC, randomUUID(), LEASE_MS, [])
  const refusal = { name: 'OperatorError', message: /clicks is being counted: stop every process/ }
  await assert.rejects(reset(), refusal)
  await letPass(url, 5_000)
  await assert.rejects(reset(), refusal)
  await letPass(url, 5_100)
  await reset()
  await runSql(url, 'delete from members')
  const lease = store.clock.now() + 1_000
  await runSql(url, `update partitions set lease_until = ${lease}`)
  await assert.rejects(reset(), refusal)
  await assert.rejects(partitions.resetPositions('none', topicId, []), /no positions of the topic/)
})

test('a reset merges what was counted first: the same offsets count again as batches of their own', async () => {
  const { url, store, topicId, partitions } = await opened([0n, 0n])
  await using _ = store
  const clicks = [clickOf(1), clickOf(1), clickOf(1, NOON, 'key')]
  await using merge = await hold(url, `select pg_advisory_xact_lock(hashtext('tallymark counts'))`)
  await store.commit(batchIn(0, 0n, 3n, { clicks }))
  await merge.free()
  const completeUntil = await completeUntilOf(store)
  await partitions.resetPositions(TOPIC, topicId, [{ number: 0, next: 0n }])
  assert.deepEqual(await nextsOf(store), [0n, 0n])
  assert.deepEqual(await completeUntilOf(store), completeUntil)
  assert.equal(await sumOf(store), 3)
  assert.equal(await store.commit(batchIn(0, 0n, 3n, { clicks })), 'counted')
  assert.equal(await sumOf(store), 5) // the key is remembered
  await untilMerged(url)
  assert.equal(await sumOf(store), 5)
  await partitions.resetPositions(TOPIC, topicId, [{ number: 1, next: 100n }])
  assert.deepEqual(await nextsOf(store), [3n, 100n])
  await store.commit(batchIn(1, 100n, 101n, { clicks: [clickOf(1)] }))
  assert.equal(await sumOf(store), 6)
})

test('a topic that was made anew is counted after a reset, from the targets or from 0', async () => {
  const { store, partitions } = await opened([0n, 0n, 0n])
  await using _ = store
  for (const partition of [0, 1, 2]) {
    await store.commit(batchIn(partition, 0n, 9n, { clicks: [clickOf(1)] }))
  }
  const before = await completeUntilOf(store)
  const anew = randomUUID()
  const targets = [
    { number: 0, next: 2n },
    { number: 3, next: 4n },
  ]
  await partitions.resetPositions(TOPIC, anew, targets)
  assert.deepEqual(
    (await partitions.readPartitions(TOPIC)).map(({ number, next }) => [number, next]),
    [
      [0, 2n],
      [3, 4n],
    ],
  )
  await openEmpty(partitions, TOPIC, anew, [0n, 0n, 0n, 0n])
  assert.deepEqual(await nextsOf(store), [2n, 0n, 0n, 4n])
  assert.ok((await completeUntilOf(store)).every((instant, at) => instant >= (before[at] ?? 0)))
  await store.commit(batchIn(1, 0n, 9n, { clicks: [clickOf(1)] }))
  assert.equal(await sumOf(store), 4)
})
