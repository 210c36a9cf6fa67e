// Partitions of a Kafka topic in Postgres: what they begin with, until when they are complete, how a
// log comes to its end.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { hold, runSql } from '../support/database.ts'
import {
  addBanners,
  batchIn,
  completeBy,
  completeUntilOf,
  LEASE_MS,
  letPass,
  nextsOf,
  opened,
  openEmpty,
  TOPIC,
} from '../support/partitions.ts'
import {
  batchOf,
  clickOf,
  emptyDatabase,
  NOON,
  openAt,
  sumOf,
  untilMerged,
} from '../support/postgres-store.ts'

const ALWAYS = { resolution: 'day', from: 0, to: 2 * NOON } as const

test('the first time a topic is counted from where its log starts, also by processes at once', async () => {
  const { url } = await emptyDatabase()
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url), openAt(url)])
  const [store] = stores
  assert.ok(store !== undefined)
  assert.deepEqual(await store.partitions.readPartitions(TOPIC), [])
  const before = store.clock.now() - 10
  const topicId = randomUUID()
  await using lock = await hold(
    url,
    `select pg_advisory_xact_lock(hashtext('tallymark partitions'))`,
  )
  const opening = Promise.all(
    stores.map((each) => openEmpty(each.partitions, TOPIC, topicId, [5n, 0n, 7n])),
  )
  await lock.waiting('open_partitions', stores.length)
  await lock.free()
  await opening
  const stored = await store.partitions.readPartitions(TOPIC)
  assert.deepEqual(
    stored.map((each) => [each.number, each.topicId, each.next]),
    [5n, 0n, 7n].map((next, number) => [number, topicId, next]),
  )
  assert.ok(stored.every(({ completeUntil }) => completeUntil >= before))
  await addBanners(store)
  assert.equal(await store.commit(batchIn(2, 7n, 9n, { clicks: [clickOf(1)] })), 'counted')
  await openEmpty(store.partitions, TOPIC, topicId, [6n, 6n, 6n])
  assert.deepEqual(await nextsOf(store), [5n, 0n, 9n])
  await untilMerged(url)
  assert.equal(await sumOf(store), 1)
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('a topic that holds records when it is opened is not complete before they are counted', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.partitions.openPartitions(TOPIC, randomUUID(), [5n, 5n], [5n, 7n])
  const [empty = 0, full] = await completeUntilOf(store)
  assert.ok(empty > 0)
  assert.equal(full, 0)
  assert.equal((await store.totals('click', [ALWAYS])).completeUntil, 0)
})

test('partitions that are added begin at 0, and take nothing back from completeUntil', async () => {
  const { store, topicId, partitions } = await opened([5n])
  await using _ = store
  const ahead = store.clock.now() + 60_000 // as after a clock that went back
  await completeBy(store, ahead)
  await openEmpty(partitions, TOPIC, topicId, [5n, 4n, 4n])
  assert.deepEqual(await nextsOf(store), [5n, 0n, 0n])
  assert.deepEqual(await completeUntilOf(store), [ahead, ahead, ahead])
  await store.commit(batchIn(2, 0n, 1n, { clicks: [clickOf(1)] }))
  assert.equal(await sumOf(store), 1)
})

test('I15: an answer is not complete until what a database that went back has lost', async () => {
  const { url, store } = await opened([0n, 0n])
  await using _ = store
  const { completeUntil: before } = await store.totals('click', [ALWAYS])
  // As after a failover to a standby that lacks the last transactions.
  await runSql(
    url,
    `update partitions set complete_until = complete_until - 10000 where number = 0`,
  )
  const { completeUntil: after } = await store.totals('click', [ALWAYS])
  assert.ok(after <= before - 10_000, `${after} is not 10 s before ${before}`)
  await completeBy(store, before)
  const { completeUntil: again } = await store.totals('click', [ALWAYS])
  assert.equal(again, before)
})

test('I10: a process that starts is not behind what an answer was complete until', async () => {
  const { url, store } = await opened([0n])
  await using _ = store
  const ahead = store.clock.now() + 86_400_000 // by a clock that was ahead, and then corrected
  await completeBy(store, ahead)
  await using other = await openAt(url)
  assert.ok(other.clock.now() >= ahead, 'its clicks would count before it')
})

test('a topic is complete until it is opened, however long that took: answers do not go back', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await using other = await openAt(url)
  await using lock = await hold(
    url,
    `select pg_advisory_xact_lock(hashtext('tallymark partitions'))`,
  )
  const opening = openEmpty(store.partitions, TOPIC, randomUUID(), [0n, 0n])
  await lock.waiting('open_partitions', 1)
  await pause(20)
  const { completeUntil: before } = await other.totals('click', [ALWAYS])
  await lock.free()
  await opening
  const { completeUntil: after } = await store.totals('click', [ALWAYS])
  assert.ok(after >= before, `${after} is before ${before}`)
})

test('a topic that was made anew is refused with exit code 3, and nothing is changed', async () => {
  const { store, topicId, partitions } = await opened([5n, 5n])
  await using _ = store
  const before = await partitions.readPartitions(TOPIC)
  const anew = randomUUID()
  await assert.rejects(openEmpty(partitions, TOPIC, anew, [0n, 0n, 0n]), {
    name: 'OperatorError',
    exitCode: 3,
    message: new RegExp(
      `^The topic clicks was deleted and made anew: .*${topicId}.*${anew}.* KAFKA_TOPIC .*"tallymark positions reset"`,
    ),
  })
  assert.deepEqual(await partitions.readPartitions(TOPIC), before)
})

test('I15: answers are complete until the least open partition is', async () => {
  const { url, store, partitions } = await opened([0n, 0n])
  await using _ = store
  await using other = await openAt(url)
  const [first = 0] = await completeUntilOf(store)
  await pause(20)
  const reads = async (each: PostgresDatabase) => [
    (await each.totals('click', [ALWAYS])).completeUntil,
    (await each.series([1], 'click', [ALWAYS])).completeUntil,
  ]
  assert.deepEqual(await reads(store), [first, first])
  await partitions.renewLeases(TOPIC, randomUUID(), LEASE_MS, [
    { number: 0, end: 0n, instant: first + 10 },
  ])
  assert.deepEqual(await reads(store), [first, first])
  const clicks = [clickOf(1)]
  await store.commit(batchIn(1, 0n, 1n, { clicks, completeUntil: first + 5 }))
  const { rows, completeUntil } = await store.totals('click', [ALWAYS])
  assert.deepEqual([rows[0]?.total, completeUntil], [1, first + 5])
  assert.deepEqual(await reads(other), [first + 5, first + 5])
  await runSql(url, 'update partitions set is_open = false where number = 1')
  assert.deepEqual(await reads(store), [first + 10, first + 10])
  await runSql(url, 'update partitions set is_open = false')
  assert.ok((await reads(store)).every((instant) => instant > first + 15))
})

test('answers do not claim more than the beginning of their reads, whatever partitions say', async () => {
  const { store } = await opened([0n])
  await using _ = store
  await completeBy(store, store.clock.now() + 60_000)
  const { completeUntil } = await store.totals('click', [ALWAYS])
  assert.ok(completeUntil <= store.clock.now())
})

test('I15: a batch raises completeUntil with its counts, or not at all, and never lowers it', async () => {
  const { store } = await opened([0n])
  await using _ = store
  const [first = 0] = await completeUntilOf(store)
  const clicks = [clickOf(1)]
  await store.commit(batchIn(0, 1n, 2n, { clicks, completeUntil: first + 10 }))
  assert.deepEqual(await completeUntilOf(store), [first]) // superseded
  await store.commit(batchIn(0, 0n, 1n, { clicks, completeUntil: first + 10 }))
  assert.deepEqual(await completeUntilOf(store), [first + 10])
  await store.commit(batchIn(0, 1n, 2n, { clicks, completeUntil: first + 5 }))
  await store.commit(batchIn(0, 2n, 3n, { clicks }))
  assert.deepEqual(await completeUntilOf(store), [first + 10])
  assert.equal(await sumOf(store), 3)
})

test('keys are kept until their age is reached in what is counted, not on the clock', async () => {
  const { url, store } = await opened([0n])
  await using _ = store
  await store.commit(batchIn(0, 0n, 1n, { clicks: [clickOf(1, NOON, 'a')] }))
  await runSql(url, 'update partitions set complete_until = complete_until - 60000')
  await pause(20)
  assert.equal(await store.purgeKeys(10, 10), 0)
  await completeBy(store, store.clock.now())
  assert.equal(await store.purgeKeys(10_000, 10), 0)
  assert.equal(await store.purgeKeys(10, 10), 1)
})

test('without open partitions there is nothing to drain', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  assert.deepEqual(await store.partitions.drainState(), { state: 'none' })
  await store.partitions.closePartitions()
})

test('a log is not drained while a process puts clicks into it', async () => {
  const { url, store, topicId, partitions } = await opened([0n])
  await using _ = store
  const api = randomUUID()
  await partitions.announceApi(api)
  await completeBy(store, store.clock.now() + 600_000)
  const reason = 'a process puts clicks into it, or did in the last 10 seconds: stop all that do'
  assert.deepEqual(await partitions.drainState(), { state: 'open', reason })
  await assert.rejects(partitions.closePartitions(), {
    name: 'OperatorError',
    exitCode: 1,
    message: `The click log clicks is not counted to its end: ${reason}. Start again with KAFKA_BROKERS (ROLE=aggregator suffices) until "tallymark doctor" says that it is drained.`,
  })
  await openEmpty(partitions, TOPIC, topicId, [0n]) // an ordinary start is not refused
  await letPass(url, 10_100)
  assert.deepEqual(await partitions.drainState(), { state: 'drained' })
})

test('a log is drained when it is complete beyond the last click of those that have ended', async () => {
  const { store, partitions } = await opened([0n, 0n])
  await using _ = store
  const [first = 0] = await completeUntilOf(store)
  const [api, idle] = [randomUUID(), randomUUID()]
  await partitions.announceApi(idle)
  await partitions.announceApi(idle, 0)
  await partitions.announceApi(api)
  await partitions.announceApi(api, first)
  assert.deepEqual(await partitions.drainState(), {
    state: 'open',
    reason: 'clicks may have been acknowledged up to 1.0 s after what is counted',
  })
  await assert.rejects(partitions.closePartitions(), /not counted to its end: clicks may/)
  const aggregator = randomUUID()
  const mark = { end: 0n, instant: first + 1_001 }
  await partitions.renewLeases(TOPIC, aggregator, LEASE_MS, [{ number: 0, ...mark }])
  assert.equal((await partitions.drainState()).state, 'open') // the other partition is not
  await partitions.renewLeases(TOPIC, aggregator, LEASE_MS, [{ number: 1, ...mark }])
  assert.deepEqual(await partitions.drainState(), { state: 'drained' })
  assert.equal((await partitions.readPartitions(TOPIC)).length, 2) // asking has closed nothing
  await partitions.closePartitions()
  assert.deepEqual(await partitions.drainState(), { state: 'none' })
  assert.deepEqual(await partitions.readPartitions(TOPIC), [])
  const { owned, partitions: open } = await partitions.renewLeases(TOPIC, aggregator, LEASE_MS, [])
  assert.deepEqual([owned, open], [[], 0])
})

test('of a process that was killed clicks may have been acknowledged for a minute after it was seen', async () => {
  const { url, store, partitions } = await opened([0n])
  await using _ = store
  await partitions.announceApi(randomUUID())
  await letPass(url, 20_000)
  const [row] = await runSql(url, 'select seen::float8 as seen from members')
  const seen = Number(row?.['seen'])
  await completeBy(store, seen + 60_000)
  assert.equal((await partitions.drainState()).state, 'open')
  await completeBy(store, seen + 60_001)
  assert.equal((await partitions.drainState()).state, 'drained')
})

test('who announces itself while a log is closed waits, and finds it closed', async () => {
  const { url, store, partitions } = await opened([0n])
  await using _ = store
  await using other = await openAt(url)
  await using closing = await hold(url, 'select close_partitions(null)')
  const announced = other.partitions.announceApi(randomUUID())
  await closing.waiting('members', 1)
  await closing.free()
  await announced
  assert.deepEqual(await partitions.readPartitions(TOPIC), [])
})

test('a log that was closed is opened again where it was, complete until then', async () => {
  const { store, topicId, partitions } = await opened([0n])
  await using _ = store
  await store.commit(batchIn(0, 0n, 4n, { clicks: [clickOf(1)] }))
  await partitions.closePartitions()
  await pause(50)
  const before = store.clock.now() - 10
  await openEmpty(partitions, TOPIC, topicId, [2n])
  const [stored] = await partitions.readPartitions(TOPIC)
  assert.equal(stored?.next, 4n)
  assert.ok(stored.completeUntil >= before)
})

test('another topic takes the place of a drained one only', async () => {
  const { store, partitions } = await opened([0n])
  await using _ = store
  const [first = 0] = await completeUntilOf(store)
  const api = randomUUID()
  await partitions.announceApi(api)
  await partitions.announceApi(api, first)
  const open = () => openEmpty(partitions, 'other', randomUUID(), [3n])
  await assert.rejects(open(), {
    name: 'OperatorError',
    exitCode: 1,
    message: /^The click log clicks is not counted to its end, so other .* KAFKA_TOPIC=clicks /,
  })
  assert.deepEqual(await nextsOf(store, 'other'), [])
  await completeBy(store, first + 5_000)
  await open()
  assert.deepEqual([await nextsOf(store), await nextsOf(store, 'other')], [[], [3n]])
})

test('a database without partitions gains them, and keeps what it has', async () => {
  const { url } = await emptyDatabase()
  const folder = new URL('../../sql/postgres/', import.meta.url)
  await runSql(
    url,
    'create table schema_versions (version integer primary key, name text not null, applied_at timestamptz not null default now())',
  )
  for (const [index, name] of readdirSync(folder).toSorted().slice(0, 3).entries()) {
    await runSql(url, readFileSync(new URL(name, folder), 'utf8'))
    await runSql(url, 'insert into schema_versions values ($1, $2)', [index + 1, name])
  }
  await runSql(
    url,
    `insert into positions values ('writer:a', 1, null, 0);
     insert into merges values ('writer:a', 0);
     insert into unmerged values ('writer:a', 0, 1, '{1}', '{1}', '{${NOON / 60_000}}', '{7}');`,
  )
  await using store = await openAt(url)
  assert.equal(await sumOf(store), 7)
  await store.open('writer:b', 0n)
  await store.commit(batchOf('writer:b', 0n, [clickOf(1)]))
  await openEmpty(store.partitions, TOPIC, randomUUID(), [0n])
  await store.commit(batchIn(0, 0n, 1n, { clicks: [clickOf(1)] }))
  assert.equal(await sumOf(store), 9)
  await untilMerged(url)
  assert.equal(await sumOf(store), 9)
})
