// Beside test/property/kafka-source.test.ts: a process that counts alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { aggregate } from '../../../src/aggregator/aggregate.ts'
import { runAggregator } from '../../../src/aggregator/aggregator.ts'
import { AppError, BatchRejected, OperatorError } from '../../../src/errors.ts'
import type { PartitionStore } from '../../../src/log/kafka/partition-store.ts'
import { KafkaSource, type KafkaSourceOptions } from '../../../src/log/kafka/source.ts'
import type { Aggregate } from '../../../src/store/count-store.ts'
import { FakeLog, FakePartitions } from '../../support/fake-partitions.ts'

const TIMES = { renewalMs: 20, paceMs: 0, idleMs: 5, verdictPauseMs: 20 }
const DEADLINE_MS = 20_000
const FINE = { weather: [], told: [] }

/** No other process counts. */
class OnlyPartitions extends FakePartitions {
  override async renewLeases(...args: Parameters<FakePartitions['renewLeases']>) {
    return { ...(await super.renewLeases(...args)), members: 1 }
  }
}

function sourceOf(
  log: FakeLog,
  store: FakePartitions,
  {
    renewLeases = (...args) => store.renewLeases(...args),
    observe = () => {},
  }: Partial<Pick<PartitionStore, 'renewLeases'> & Pick<KafkaSourceOptions, 'observe'>> = {},
): KafkaSource {
  return new KafkaSource({
    topic: log,
    reader: log,
    store: {
      openPartitions: () => store.openPartitions(),
      readPartitions: () => store.readPartitions(),
      releaseLeases: () => store.releaseLeases(),
      announceApi: () => store.announceApi(),
      renewLeases,
    },
    member: 'a',
    isKnown: () => true,
    batchMax: 10,
    observe,
    times: TIMES,
  })
}

function fill(log: FakeLog, ...banners: readonly number[]): void {
  for (const bannerId of banners) log.append(0, { bannerId, tally: 'click', at: 0 })
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'waited too long')
    await pause(1)
  }
}

test('a stop counts what the log holds then, even if its broker takes long to say how much', async () => {
  class SlowLog extends FakeLog {
    override async ends() {
      const ends = await super.ends()
      await pause(5 * TIMES.renewalMs)
      return ends
    }
  }
  let now = 0
  const log = new SlowLog(1, () => (now += 1))
  const store = new OnlyPartitions(log, () => (now += 1), FINE)
  fill(log, 1)
  const stop = new AbortController()
  for await (const batch of sourceOf(log, store).batches(stop.signal)) {
    if (!stop.signal.aborted) fill(log, 2, 3) // after the end that the broker is about to tell
    stop.abort()
    batch.settle({ kind: await store.commit(aggregate(batch)) })
  }
  assert.deepEqual(store.next, [3n])
})

test('a stop pauses before it asks a broker again that fails at once', async () => {
  let isStopping = false
  let fetches = 0
  class HalfLog extends FakeLog {
    override async describe() {
      return { ...(await super.describe()), leaders: [1, 2] }
    }
    override async fetch(leader: number, id: string, wanted: ReadonlyMap<number, bigint>) {
      if (isStopping) fetches += 1
      if (leader === 2) throw new AppError('store_unavailable', 'it is gone')
      return super.fetch(leader, id, wanted)
    }
  }
  let now = 0
  const clock = (): number => (now += 1)
  const log = new HalfLog(2, clock)
  const store = new OnlyPartitions(log, clock, FINE)
  fill(log, 1)
  log.append(1, { bannerId: 2, tally: 'click', at: 0 })
  const stop = new AbortController()
  const running = runAggregator(sourceOf(log, store), store, stop.signal)
  await until(() => store.next[0] === 1n)
  isStopping = true
  stop.abort()
  await running
  assert.ok(fetches < 1_000, `it was asked ${fetches} times`)
})

test('a broker that was silent is forgotten when it leads nothing that is counted here', async () => {
  class TwoLeaders extends FakeLog {
    override async describe() {
      return { ...(await super.describe()), leaders: [1, 2] }
    }
    override async fetch(leader: number, id: string, wanted: ReadonlyMap<number, bigint>) {
      if (leader === 2) throw new AppError('store_unavailable', 'it hangs')
      return super.fetch(leader, id, wanted)
    }
  }
  let now = 0
  const clock = (): number => (now += 1)
  const log = new TwoLeaders(2, clock)
  const store = new FakePartitions(log, clock, FINE)
  let owned = 0b11
  const told: (string | undefined)[] = []
  const source = sourceOf(log, store, {
    renewLeases: async (...args) => {
      const leases = await store.renewLeases(...args)
      return { ...leases, owned: leases.owned.filter(({ number }) => (owned >> number) & 1) }
    },
    observe: (trouble) => void told.push(trouble),
  })
  const stop = new AbortController()
  const running = runAggregator(source, store, stop.signal)
  await until(() => told.includes('it hangs'))
  owned = 0b01 // another process takes over
  await until(() => told.at(-1) === undefined)
  stop.abort()
  await running
})

/** Its first answers, so many, are those of a broker that was deposed before the last record came. */
class DeposedLog extends FakeLog {
  #staleEnds: number

  constructor(clock: () => number, staleEnds: number) {
    super(1, clock)
    this.#staleEnds = staleEnds
  }

  override async ends() {
    const ends = await super.ends()
    return this.#staleEnds-- > 0 ? ends.map((end) => end - 1n) : ends
  }
}

/** Everything but the last record is counted already; then clicks go on. */
async function countBehind(staleEnds: number): Promise<OnlyPartitions> {
  let now = 0
  const clock = (): number => (now += 1)
  const log = new DeposedLog(clock, staleEnds)
  const store = new OnlyPartitions(log, clock, FINE)
  fill(log, 1, 2, 3)
  store.next[0] = 3n
  const stop = new AbortController()
  const running = runAggregator(sourceOf(log, store), store, stop.signal)
  await Promise.race([until(() => store.completeUntil[0] !== 0), running])
  fill(log, 4)
  await Promise.race([until(() => store.next[0] === 4n), running])
  stop.abort()
  await running
  return store
}

test('I17: one word of a deposed broker that the log ends before what was counted is not believed', async () => {
  // openTopic asks for the ends first, then the mark does, then whoever doubts it.
  const store = await countBehind(3)
  assert.equal(store.counted.length, 1)
})

test('I17: said twice, it ends the aggregator', async () => {
  await assert.rejects(countBehind(Infinity), (error) => {
    assert.ok(error instanceof OperatorError)
    assert.equal(error.exitCode, 3)
    assert.match(error.message, /partition 0 ends at offset 2, and 3 is counted/)
    return true
  })
})

test('of a batch that the store rejects, all is counted but the record at fault', async () => {
  class PickyPartitions extends OnlyPartitions {
    override async commit(batch: Aggregate) {
      const isAtFault = batch.deltas.some(({ bannerId }) => bannerId === 13)
      if (isAtFault) throw new BatchRejected('unlucky')
      return super.commit(batch)
    }
  }
  let now = 0
  const log = new FakeLog(1, () => (now += 1))
  const store = new PickyPartitions(log, () => (now += 1), FINE)
  fill(log, 1, 2, 3, 13, 4, 13, 5)
  const stop = new AbortController()
  const running = runAggregator(sourceOf(log, store), store, stop.signal)
  await Promise.race([until(() => store.next[0] === 7n), running])
  stop.abort()
  await running
  const banners = store.counted.flatMap(({ deltas }) => deltas.map(({ bannerId }) => bannerId))
  assert.deepEqual(new Set(banners), new Set([1, 2, 3, 4, 5]))
  assert.equal(banners.length, 5)
  const suspects = store.counted.flatMap((each) => each.suspects)
  assert.deepEqual(
    suspects.map(({ position, reason }) => [position, reason]),
    [
      [3n, 'the store refuses it: unlucky'],
      [5n, 'the store refuses it: unlucky'],
    ],
  )
})

test('what the store rejects although it is no click any more ends the aggregator', async () => {
  class HostilePartitions extends OnlyPartitions {
    override async commit(): Promise<never> {
      throw new BatchRejected('no')
    }
  }
  let now = 0
  const log = new FakeLog(1, () => (now += 1))
  const store = new HostilePartitions(log, () => (now += 1), FINE)
  fill(log, 1, 2)
  const running = runAggregator(sourceOf(log, store), store, new AbortController().signal)
  await assert.rejects(running, BatchRejected)
})
