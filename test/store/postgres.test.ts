import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { testBannerStore } from '../contract/banner-store.ts'
import { testCountStore } from '../contract/count-store.ts'
import { testKeptMinutes } from '../contract/kept-minutes.ts'
import { mergedSums, runSql } from '../support/database.ts'
import {
  NOON,
  batchOf,
  clickOf,
  emptyDatabase,
  openAt,
  openEmpty,
  sumOf,
  untilMerged,
} from '../support/postgres-store.ts'

testCountStore('Postgres', openEmpty)
testKeptMinutes('Postgres', openEmpty)
testBannerStore('Postgres', async (statements = '') => {
  const { url } = await emptyDatabase()
  const store = await openAt(url)
  await runSql(url, statements)
  return store
})

test('I6: merging changes no answer of Postgres, and the three tables agree', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  const slices = [
    { resolution: 'minute', from: NOON - 3_600_000, to: NOON },
    { resolution: 'quarter', from: NOON, to: NOON + 3_600_000 },
    { resolution: 'day', from: NOON + 43_200_000, to: NOON + 43_200_000 + 10 * 86_400_000 },
  ] as const
  const answers = async () => {
    const { rows } = await store.series([2, 1], 'click', slices)
    return [rows, (await store.totals('click', slices)).rows]
  }
  let clicks = 0
  for (let round = 0n; round < 5n; round += 1n) {
    const batch = Array.from({ length: 50 }, (_, index) =>
      clickOf(1 + (index % 3), NOON - 1_800_000 + index * 60_000 + (index % 2) * 86_400_000),
    )
    clicks += batch.length
    await store.commit(batchOf('writer:a', round, batch))
    const before = await answers()
    await untilMerged(url)
    assert.deepEqual(await answers(), before)
    assert.deepEqual(await mergedSums(url), [clicks, clicks, clicks])
  }
})

test('I6: what a process leaves unmerged when it dies is in the answers, and merged by another', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:gone', 0n)
  await runSql(
    url,
    `insert into unmerged values ('writer:gone', 0, 1, '{2}', '{1}', '{${NOON / 60_000}}', '{7}');
     update positions set next = 1 where source = 'writer:gone'`,
  )
  assert.equal(await sumOf(store), 7)
  await store.open('writer:here', 0n)
  await store.commit(batchOf('writer:here', 0n, [clickOf(1)]))
  await untilMerged(url)
  assert.equal(await sumOf(store), 8)
  assert.deepEqual(await mergedSums(url), [8, 8, 8])
})

test('I6: processes that merge at once merge each batch once', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  const sources = ['writer:a', 'writer:b', 'writer:c', 'writer:d']
  for (const source of sources) await store.open(source, 0n)
  const stop = new AbortController()
  const merging = Promise.all(
    sources.map(async () => {
      const client = new Client(url)
      await client.connect()
      while (!stop.signal.aborted) await client.query('select merge_batches(7, false)')
      await client.end()
    }),
  )
  const rounds = 100
  const stores = await Promise.all(sources.map(() => openAt(url)))
  await Promise.all(
    stores.map(async (each, index) => {
      for (let round = 0; round < rounds; round += 1) {
        const clicks = [clickOf(1), clickOf(2, NOON + 60_000), clickOf(3)]
        await each.commit(batchOf(sources[index] ?? '', BigInt(round), clicks))
      }
    }),
  )
  stop.abort()
  await merging
  await untilMerged(url)
  const clicks = 3 * rounds * sources.length
  assert.equal(await sumOf(store), clicks)
  assert.deepEqual(await mergedSums(url), [clicks, clicks, clicks])
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('I3: a commit that a frozen backend made after the answer was given up counts once', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url, { commitTimeoutMs: 300 })
  await store.open('writer:a', 0n)
  const other = new Client(url)
  await other.connect()
  // Holds the attempt where a hung server would: it waits for the row, and its time runs out.
  await other.query(`begin; select from positions for update`)
  const batch = batchOf('writer:a', 0n, [clickOf(1), clickOf(1, NOON, 'key')])
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  await other.query('rollback')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await sumOf(store), 2)
  await other.end()
})

test('I5: a commit that fails after its statement was executed is not called counted', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  // Checked when the transaction commits: after the server has reported the statement as complete.
  await runSql(
    url,
    `create function refuse() returns trigger language plpgsql as
       $$ begin raise exception 'refused' using errcode = '40001'; end $$;
     create constraint trigger refuses after insert on unmerged
       deferrable initially deferred for each row execute function refuse()`,
  )
  const batch = batchOf('writer:a', 0n, [clickOf(1)])
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  assert.equal(await sumOf(store), 0)
  await runSql(url, 'drop trigger refuses on unmerged')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await sumOf(store), 1)
})

test('I3: a writer whose row is gone is superseded, whatever it sends', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  await untilMerged(url)
  await runSql(url, `delete from positions`)
  assert.equal(await store.commit(batchOf('writer:a', 1n, [clickOf(1)])), 'superseded')
  assert.equal(await sumOf(store), 1)
})

test('I7: processes that count the same keys at once count each once, without a deadlock', async () => {
  const { url } = await emptyDatabase()
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url), openAt(url)])
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`)
  await Promise.all(
    stores.map(async (store, writer) => {
      const source = `writer:${writer}`
      await store.open(source, 0n)
      for (let round = 0; round < 20; round += 1) {
        // Each in an order of its own: the batches sort them.
        const clicks = keys
          .toSorted(() => Math.random() - 0.5)
          .map((key) => clickOf(1, NOON, `${key} ${round % 4}`))
        assert.equal(await store.commit(batchOf(source, BigInt(round), clicks)), 'counted')
      }
    }),
  )
  const [store] = stores
  assert.ok(store !== undefined)
  assert.equal(await sumOf(store), keys.length * 4)
  const [row] = await runSql(
    url,
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  assert.equal(row?.['deadlocks'], 0)
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('I10: a process that starts is not behind the clock that another has used', async () => {
  const { url } = await emptyDatabase()
  await using first = await openAt(url)
  await first.open('writer:a', 0n)
  const day = 86_400_000
  const ahead = first.clock.now() + day
  await runSql(url, `update positions set instant = ${ahead}`)
  await using second = await openAt(url)
  assert.ok(second.clock.now() >= ahead)
})

test('a writer that nobody keeps alive is forgotten after a week, once its batches are merged', async () => {
  const { url } = await emptyDatabase()
  {
    await using store = await openAt(url)
    await store.open('writer:old', 0n)
    await store.open('writer:older', 0n)
    await store.commit(batchOf('writer:old', 0n, [clickOf(1)]))
    await untilMerged(url)
  }
  const week = 7 * 86_400_000
  await runSql(
    url,
    `update positions set instant = instant - ${week + 60_000};
     insert into unmerged values ('writer:older', 0, 1, '{2}', '{1}', '{1}', '{7}')`,
  )
  await using store = await openAt(url)
  assert.deepEqual(
    (await runSql(url, `select source from positions where source like 'writer:%'`)).map(
      ({ source }) => source,
    ),
    ['writer:older'],
  )
  assert.equal(await sumOf(store), 8)
})

test('a service keeps its sources alive until it stops', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  const seen = async (): Promise<unknown> =>
    (await runSql(url, `select instant from positions where source = 'writer:a'`))[0]?.['instant']
  await store.open('writer:a', 0n)
  const before = await seen()
  const stop = new AbortController()
  const alive = store.stayAlive(stop.signal, 10)
  const deadline = performance.now() + 20_000
  while ((await seen()) === before) {
    assert.ok(performance.now() < deadline, 'it is never kept alive')
    await pause(20)
  }
  stop.abort()
  await alive
})

test('what a service cannot keep alive with ends it', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await runSql(url, 'alter table members rename to mangled')
  await assert.rejects(store.stayAlive(AbortSignal.timeout(20_000), 10), {
    message: /relation "members" does not exist/,
  })
})
