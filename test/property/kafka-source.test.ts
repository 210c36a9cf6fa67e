import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import * as fc from 'fast-check'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import type { Click } from '../../src/click.ts'
import { KafkaSource } from '../../src/log/kafka/source.ts'
import { FakeLog, FakePartitions, type Told } from '../support/fake-partitions.ts'
import type { Weather } from '../support/fake-store.ts'
import { runs } from '../support/properties.ts'

const PARTITIONS = 3
const COMPLETE_TIMEOUT_MS = 20_000
const TIMES = { leaseMs: 1_500, renewalMs: 0, paceMs: 0, idleMs: 0, retryMinMs: 0, retryMaxMs: 0 }

const clicks = fc.array(
  fc.record({
    partition: fc.integer({ min: 0, max: PARTITIONS - 1 }),
    bannerId: fc.integer({ min: 1, max: 3 }),
    key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }),
  }),
  { maxLength: 12 },
)
const weather = fc.array(fc.constantFrom<Weather>('fine', 'refuses', 'answer lost', 'lands late'), {
  maxLength: 30,
})
const told = fc.array(
  fc.record<Told>({
    how: fc.constantFrom('the truth', 'old positions', 'nothing'),
    owned: fc.integer({ min: 0, max: 2 ** PARTITIONS - 1 }),
  }),
  { maxLength: 30 },
)

// Several processes, each of which may be told anything about what it owns and where to begin.
test('I13: whoever counts a partition, and whatever they believe, counts equal the log', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(clicks, { maxLength: 6 }),
      weather,
      told,
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 5 }),
      async (waves, weathers, tells, processes, batchMax) => {
        let now = 0
        const clock = (): number => (now += 1)
        const log = new FakeLog(PARTITIONS, clock)
        const store = new FakePartitions(log, clock, { weather: weathers, told: tells })
        const stop = new AbortController()
        const running = Array.from({ length: processes }, (_, index) =>
          runAggregator(sourceOf(log, store, batchMax, index), store, stop.signal),
        )
        for (const wave of waves) {
          for (const { partition, bannerId, key } of wave) {
            log.append(partition, { bannerId, tally: 'click', at: 0, ...(key && { key }) })
          }
          await tick()
        }
        try {
          await Promise.race([untilComplete(store, clock()), ...running])
        } finally {
          stop.abort()
        }
        await Promise.all(running)
        store.land()
        check(log, store)
      },
    ),
    runs(300),
  )
})

function sourceOf(log: FakeLog, store: FakePartitions, batchMax: number, index: number) {
  return new KafkaSource({
    topic: log,
    reader: log,
    store,
    member: `process ${index}`,
    isKnown: () => true,
    batchMax,
    observe: () => {},
    times: TIMES,
  })
}

async function untilComplete(store: FakePartitions, instant: number): Promise<void> {
  const deadline = performance.now() + COMPLETE_TIMEOUT_MS
  while (store.completeUntil.some((until) => until < instant)) {
    assert.ok(performance.now() < deadline, 'nothing is complete')
    await tick()
  }
}

function check(log: FakeLog, store: FakePartitions): void {
  for (const [number, records] of log.records.entries()) {
    const spans = store.counted
      .map(({ span }) => span)
      .filter(({ source }) => source === `clicks/${number}`)
    let end = 0n
    for (const { from, to } of spans) {
      assert.equal(from, end, 'offsets were skipped or counted twice')
      end = to
    }
    assert.equal(end, BigInt(records.length))
  }
  const sent = log.records.flat().map(({ click }) => click)
  const unkeyed = store.counted.flatMap(({ deltas }) => deltas)
  assert.equal(
    unkeyed.reduce((sum, { count }) => sum + count, 0),
    sent.filter(({ key }) => key === undefined).length,
  )
  const hashes = store.counted.flatMap(({ keyed }) => keyed)
  const distinct = new Set(hashes.map(({ keyHash }) => Buffer.from(keyHash).toString('hex')))
  assert.equal(distinct.size, new Set(sent.flatMap(keyOf)).size)
}

function keyOf({ bannerId, key }: Click): string[] {
  return key === undefined ? [] : [`${bannerId} ${key}`]
}
