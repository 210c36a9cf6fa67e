import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import { LiveFeed, type LiveReader } from '../../src/query/live.ts'
import type { RecentCount } from '../../src/store/count-store.ts'

const NOW = 1_733_835_370_000
const MINUTE = 1_733_835_360_000

/** A store whose rows are set by the test; counts how often it is read. */
function readings() {
  const store = {
    rows: [] as RecentCount[],
    reads: 0,
    since: 0,
    isAway: false,
    async recent(_: string, since: number) {
      store.reads += 1
      store.since = since
      if (store.isAway) throw new AppError('store_unavailable', 'away')
      return store.rows
    },
  }
  return store
}

function openFeed(store: ReturnType<typeof readings>, streamsMax = 100): LiveFeed {
  return new LiveFeed({ counts: store, clock: { now: () => NOW }, streamsMax, pollIntervalMs: 5 })
}

function reader(bannerId?: number): LiveReader & { readonly told: (readonly RecentCount[])[] } {
  const told: (readonly RecentCount[])[] = []
  return { bannerId, told, send: (rows) => void told.push(rows), end: () => void told.push([]) }
}

test('however many readers, one poll; and none without a reader', async () => {
  const store = readings()
  using feed = openFeed(store)
  await pause(30)
  assert.equal(store.reads, 0)
  const readers = Array.from({ length: 50 }, () => reader())
  for (const each of readers) feed.add(each)
  await pause(1)
  assert.equal(store.reads, 1)
  assert.equal(store.since, MINUTE - 10 * 60_000)
  for (const each of readers) feed.remove(each)
  await pause(30)
  const reads = store.reads
  await pause(50)
  assert.equal(store.reads, reads)
})

test('only what changed is told, and who comes later gets everything first', async () => {
  const store = readings()
  using feed = openFeed(store)
  const row = (bannerId: number, count: number): RecentCount => ({
    bannerId,
    minute: MINUTE,
    count,
  })
  store.rows = [row(1, 1), row(2, 5)]
  const [first, second] = [reader(), reader(2)]
  feed.add(first)
  while (first.told.length === 0) await pause(1)
  store.rows = [row(1, 2), row(2, 5)]
  while (first.told.length === 1) await pause(1)
  feed.add(second)
  while (second.told.length === 0) await pause(1)
  assert.deepEqual(first.told, [[row(1, 1), row(2, 5)], [row(1, 2)]])
  assert.deepEqual(second.told, [[row(2, 5)]])
})

test('a store that is away ends no stream: the next poll has what was missed', async () => {
  const store = readings()
  using feed = openFeed(store)
  const only = reader()
  feed.add(only)
  while (only.told.length === 0) await pause(1)
  store.isAway = true
  await pause(30)
  store.rows = [{ bannerId: 1, minute: MINUTE, count: 3 }]
  store.isAway = false
  while (only.told.length === 1) await pause(1)
  assert.deepEqual(only.told[1], store.rows)
})

test('the end of the feed ends every stream, and takes no more', () => {
  const feed = openFeed(readings())
  const only = reader()
  feed.add(only)
  feed[Symbol.dispose]()
  assert.equal(only.told.length, 1)
  assert.equal(feed.streams, 0)
  assert.throws(() => feed.add(reader()), { code: 'too_many_streams' })
})
