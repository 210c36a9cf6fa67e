import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import { LiveFeed, type LiveReader } from '../../src/query/live.ts'
import type { MinuteCounts, Minutes } from '../../src/store/count-store.ts'

const NOW = 1_733_835_370_000
const MINUTE = 1_733_835_360_000

/** A store whose counts are set by the test; counts how often it is read. */
function readings() {
  const store = {
    counts: [] as MinuteCounts[],
    reads: 0,
    minutes: undefined as Minutes | undefined,
    failure: undefined as Error | undefined,
    async recent(_: string, minutes: Minutes) {
      store.reads += 1
      store.minutes = minutes
      if (store.failure !== undefined) throw store.failure
      return store.counts
    },
  }
  return store
}

function openFeed(
  counts: ReturnType<typeof readings>,
  fail: (cause: unknown) => void = assert.ifError,
): LiveFeed {
  const clock = { now: () => NOW }
  return new LiveFeed({ counts, clock, streamsMax: 100, fail, pollIntervalMs: 5 })
}

/** Each banner's count, in the order of the ids. */
function minuteOf(minute: number, counts: Readonly<Record<number, number>>): MinuteCounts {
  return {
    minute,
    bannerId: Float64Array.from(Object.keys(counts), Number),
    count: Float64Array.from(Object.values(counts)),
  }
}

interface TestReader extends LiveReader {
  readonly told: (readonly MinuteCounts[])[]
  isBusy: boolean
}

function reader(bannerId?: number): TestReader {
  const told: (readonly MinuteCounts[])[] = []
  return {
    bannerId,
    isBusy: false,
    told,
    send: (changes) => void told.push(changes),
    end: () => void told.push([]),
  }
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
  assert.deepEqual(store.minutes, { from: MINUTE - 10 * 60_000, to: MINUTE + 60_000 })
  for (const each of readers) feed.remove(each)
  await pause(30)
  const reads = store.reads
  await pause(50)
  assert.equal(store.reads, reads)
})

test('only what changed is told, and who comes later gets everything first', async () => {
  const store = readings()
  using feed = openFeed(store)
  const before = minuteOf(MINUTE - 60_000, { 2: 9, 5: 1 })
  store.counts = [before, minuteOf(MINUTE, { 1: 1, 2: 5 })]
  const [first, second] = [reader(), reader(2)]
  feed.add(first)
  while (first.told.length === 0) await pause(1)
  // A banner is new before, between and after those that are known; one is gone.
  store.counts = [before, minuteOf(MINUTE, { 0: 1, 1: 2, 2: 5, 3: 4 })]
  while (first.told.length === 1) await pause(1)
  feed.add(second)
  while (second.told.length === 0) await pause(1)
  store.counts = [minuteOf(MINUTE, { 0: 1, 2: 6, 3: 4 }), minuteOf(MINUTE + 60_000, { 2: 1 })]
  while (second.told.length === 1) await pause(1)
  assert.deepEqual(first.told, [
    [before, minuteOf(MINUTE, { 1: 1, 2: 5 })],
    [minuteOf(MINUTE, { 0: 1, 1: 2, 3: 4 })],
    [minuteOf(MINUTE, { 2: 6 }), minuteOf(MINUTE + 60_000, { 2: 1 })],
  ])
  assert.deepEqual(second.told, [
    [minuteOf(MINUTE - 60_000, { 2: 9 }), minuteOf(MINUTE, { 2: 5 })],
    [minuteOf(MINUTE, { 2: 6 }), minuteOf(MINUTE + 60_000, { 2: 1 })],
  ])
})

test('readers who know the same are told the same object, so that it becomes text once', async () => {
  const store = readings()
  using feed = openFeed(store)
  store.counts = [minuteOf(MINUTE, { 1: 1, 2: 5 })]
  const [first, second] = [reader(), reader()]
  feed.add(first)
  feed.add(second)
  while (first.told.length === 0) await pause(1)
  store.counts = [minuteOf(MINUTE, { 1: 2, 2: 5 })]
  while (first.told.length === 1) await pause(1)
  assert.equal(first.told[0], second.told[0])
  assert.equal(first.told[1], second.told[1])
})

test('a reader who is busy is told later, what has changed by then', async () => {
  const store = readings()
  using feed = openFeed(store)
  store.counts = [minuteOf(MINUTE, { 1: 1, 2: 5 })]
  const [busy, other] = [reader(), reader()]
  feed.add(busy)
  feed.add(other)
  while (busy.told.length === 0) await pause(1)
  busy.isBusy = true
  for (const count of [2, 3]) {
    store.counts = [minuteOf(MINUTE, { 1: count, 2: 5 })]
    while (other.told.length < count) await pause(1)
  }
  assert.equal(busy.told.length, 1)
  busy.isBusy = false
  while (busy.told.length === 1) await pause(1)
  assert.deepEqual(busy.told[1], [minuteOf(MINUTE, { 1: 3 })])
  assert.equal(other.told.length, 3)
})

test('a store that is away ends no stream: the next poll has what was missed', async () => {
  const store = readings()
  using feed = openFeed(store)
  const only = reader()
  feed.add(only)
  while (only.told.length === 0) await pause(1)
  store.failure = new AppError('store_unavailable', 'away')
  await pause(30)
  store.counts = [minuteOf(MINUTE, { 1: 3 })]
  store.failure = undefined
  while (only.told.length === 1) await pause(1)
  assert.deepEqual(only.told[1], store.counts)
})

test('any other failure of the store is told, unless the feed has ended', async () => {
  for (const isEnded of [false, true]) {
    const store = readings()
    const { promise: answered, reject } = Promise.withResolvers<MinuteCounts[]>()
    store.recent = () => answered
    const failures: unknown[] = []
    using feed = openFeed(store, (cause) => failures.push(cause))
    feed.add(reader())
    if (isEnded) feed[Symbol.dispose]()
    const mistake = new TypeError('a mistake of ours')
    reject(mistake)
    await pause(1)
    assert.deepEqual(failures, isEnded ? [] : [mistake])
  }
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
