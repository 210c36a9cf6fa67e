// Who counts which partition: leases in Postgres.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { runSql } from '../support/database.ts'
import {
  addBanners,
  batchIn,
  completeUntilOf,
  LEASE_MS,
  letPass,
  openEmpty,
  TOPIC,
} from '../support/partitions.ts'
import { clickOf, emptyDatabase, NOON, openAt } from '../support/postgres-store.ts'

async function opened(partitions: number) {
  const { url } = await emptyDatabase()
  const store = await openAt(url)
  await openEmpty(store.partitions, TOPIC, randomUUID(), Array<bigint>(partitions).fill(0n))
  return { url, store }
}

async function owned(store: PostgresDatabase, member: string): Promise<number[]> {
  const leases = await store.partitions.renewLeases(TOPIC, member, LEASE_MS, [])
  return leases.owned.map(({ number }) => number)
}

/** Renewals in turn, until nothing is given back any more. */
async function settled(store: PostgresDatabase, members: readonly string[]): Promise<number[][]> {
  let all: number[][] = []
  for (let round = 0; round < 3; round += 1) {
    all = []
    for (const member of members) all.push(await owned(store, member))
  }
  return all
}

test('partitions are divided evenly among one to four members, each to one', async () => {
  const { store } = await opened(6)
  await using _ = store
  const members: string[] = []
  for (const sizes of [[6], [3, 3], [2, 2, 2], [1, 1, 2, 2]]) {
    members.push(randomUUID())
    const all = await settled(store, members)
    assert.deepEqual(
      all.map(({ length }) => length).toSorted((a, b) => a - b),
      sizes,
    )
    assert.deepEqual(
      all.flat().toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5],
    )
  }
})

test('members who are more than the partitions have none, and no partition is left', async () => {
  const { store } = await opened(2)
  await using _ = store
  const all = await settled(store, [randomUUID(), randomUUID(), randomUUID()])
  assert.deepEqual(
    all.map(({ length }) => length).toSorted((a, b) => a - b),
    [0, 1, 1],
  )
})

test('renewals at once never give a partition to two', async () => {
  const { url, store } = await opened(7)
  await using _ = store
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url)])
  const members = stores.map(() => randomUUID())
  for (let round = 0; round < 10; round += 1) {
    const all = await Promise.all(stores.map((each, index) => owned(each, members[index] ?? '')))
    const given = all.flat()
    assert.equal(new Set(given).size, given.length)
  }
  assert.equal((await settled(store, members)).flat().length, 7)
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('what a member that died had is taken over when its lease has ended, not before', async () => {
  const { url, store } = await opened(4)
  await using _ = store
  const [died, lives] = [randomUUID(), randomUUID()]
  await settled(store, [died, lives])
  assert.equal((await owned(store, lives)).length, 2)
  await runSql(
    url,
    `update members set seen = seen - ${LEASE_MS} where id = '${died}';
     update partitions set lease_until = lease_until - ${LEASE_MS} - 100 where owner = '${died}'`,
  )
  assert.deepEqual(await owned(store, lives), [0, 1, 2, 3])
})

test('a clock that went back does not keep a partition from being counted', async () => {
  const { url, store } = await opened(4)
  await using _ = store
  const [died, lives] = [randomUUID(), randomUUID()]
  await settled(store, [died, lives])
  await letPass(url, -3_600_000)
  assert.deepEqual(await owned(store, lives), [0, 1, 2, 3])
})

test('what is released is taken by the others at once', async () => {
  const { store } = await opened(4)
  await using _ = store
  const [leaves, stays] = [randomUUID(), randomUUID()]
  await settled(store, [leaves, stays])
  await store.partitions.releaseLeases(leaves)
  assert.deepEqual(await owned(store, stays), [0, 1, 2, 3])
})

test('a member that renews after it has released has its share again', async () => {
  const { store } = await opened(4)
  await using _ = store
  const members = [randomUUID(), randomUUID()]
  await settled(store, members)
  await store.partitions.releaseLeases(members[0] ?? '')
  assert.equal((await owned(store, members[1] ?? '')).length, 4)
  const all = await settled(store, members)
  assert.deepEqual(
    all.map(({ length }) => length),
    [2, 2],
  )
})

test('the answer says where to go on, and corrects the clock', async () => {
  const { store } = await opened(2)
  await using _ = store
  await addBanners(store)
  await store.commit(batchIn(1, 0n, 7n, { clicks: [clickOf(1)] }))
  const member = randomUUID()
  const leases = await store.partitions.renewLeases(TOPIC, member, LEASE_MS, [])
  assert.deepEqual(leases.owned, [
    { number: 0, next: 0n },
    { number: 1, next: 7n },
  ])
  assert.deepEqual([leases.members, leases.partitions], [1, 2])
  assert.ok(Math.abs(leases.instant - store.clock.now()) < 1_000)
})

test('I15: a mark raises completeUntil once the position has reached its end, and never lowers it', async () => {
  const { store } = await opened(2)
  await using _ = store
  await addBanners(store)
  const member = randomUUID()
  const [before = 0, other] = await completeUntilOf(store)
  const mark = { number: 0, end: 3n, instant: before + 10 }
  const renew = () => store.partitions.renewLeases(TOPIC, member, LEASE_MS, [mark])
  await renew()
  assert.deepEqual(await completeUntilOf(store), [before, other])
  await store.commit(batchIn(0, 0n, 2n, { clicks: [clickOf(1)] }))
  await renew()
  assert.deepEqual(await completeUntilOf(store), [before, other])
  await store.commit(batchIn(0, 2n, 3n, { clicks: [clickOf(1)] }))
  await renew()
  assert.deepEqual(await completeUntilOf(store), [before + 10, other])
  await store.partitions.renewLeases(TOPIC, member, LEASE_MS, [{ ...mark, instant: before + 5 }])
  assert.deepEqual(await completeUntilOf(store), [before + 10, other])
})

test('commits with the same keys beside renewals end without a deadlock', async () => {
  const { url, store } = await opened(4)
  await using _ = store
  await addBanners(store)
  const keys = Array.from({ length: 60 }, (_each, index) => `key-${index}`)
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url), openAt(url)])
  const soon = store.clock.now() + 1_000 // every mark and batch raises completeUntil
  const stop = new AbortController()
  const renewing = stores.map(async (each, index) => {
    const member = randomUUID()
    const order = index % 2 === 0 ? [0, 1, 2, 3] : [3, 2, 1, 0]
    for (let at = 0; !stop.signal.aborted; at += 1) {
      const marks = order.map((number) => ({ number, end: 0n, instant: soon + at }))
      await each.partitions.renewLeases(TOPIC, member, LEASE_MS, marks)
    }
  })
  await Promise.all(
    stores.map(async (each, partition) => {
      for (let round = 0; round < 40; round += 1) {
        const clicks = keys.map((key) => clickOf(1, NOON, `${key} ${round}`))
        const completeUntil = soon + round * 10
        const content = { clicks, completeUntil }
        await each.commit(batchIn(partition, BigInt(round), BigInt(round + 1), content))
      }
    }),
  )
  stop.abort()
  await Promise.all(renewing)
  const [row] = await runSql(
    url,
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  assert.equal(row?.['deadlocks'], 0)
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('members that were not seen for long are forgotten, but no api of which a click may wait', async () => {
  const { url, store } = await opened(1)
  const [aggregator, api] = [randomUUID(), randomUUID()]
  await store.partitions.renewLeases(TOPIC, aggregator, LEASE_MS, [])
  await store.partitions.announceApi(api)
  await store[Symbol.asyncDispose]()
  const roles = async () => {
    await (await openAt(url))[Symbol.asyncDispose]() // forgets at its start
    return (await runSql(url, 'select role from members order by role')).map(({ role }) => role)
  }
  assert.deepEqual(await roles(), ['aggregator', 'api'])
  await letPass(url, 2 * 86_400_000)
  assert.deepEqual(await roles(), ['api'])
  await letPass(url, 6 * 86_400_000)
  await runSql(url, `update partitions set complete_until = complete_until - 30 * 86400000::bigint`)
  assert.deepEqual(await roles(), ['api'])
  await runSql(url, `update partitions set complete_until = complete_until + 30 * 86400000::bigint`)
  assert.deepEqual(await roles(), [])
})
