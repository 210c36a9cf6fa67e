// The contract of ClickSink and ClickSource, as tests: every adapter runs them (test/log/*.test.ts). How an
// adapter keeps a batch in doubt from being counted twice is its own affair, and tested there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import type { Click } from '../../src/click.ts'
import type { Batch, ClickSink, ClickSource } from '../../src/log/click-log.ts'
import type { CountStore } from '../../src/store/count-store.ts'
import type { Weather } from '../support/fake-store.ts'

const COUNTED_TIMEOUT_MS = 20_000

/** An empty log, and the store that counts it. */
export interface OpenedLog extends AsyncDisposable {
  readonly sink: ClickSink
  readonly source: ClickSource
  readonly store: Pick<CountStore, 'commit'>
  /** What the store has counted. */
  total(): Promise<number>
  /** Resolves when the clicks of these calls are taken in. */
  takenIn(appends: readonly Promise<void>[]): Promise<unknown>
}

export interface OpenOptions {
  /** Attempts of the store fail like this, one after the other. */
  readonly weather?: readonly Weather[]
  /** For how many clicks there is room. */
  readonly waitingMax?: number
}

interface ContractOptions {
  /** Why it cannot be tested here. */
  readonly skip?: string
}

export function click(bannerId = 1): Click {
  return { bannerId, tally: 'click', at: 1_000 }
}

/** Takes the next batch without settling it. */
export async function nextOf(batches: AsyncIterator<Batch>): Promise<Batch> {
  const { value, done } = await batches.next()
  assert.ok(done !== true)
  return value
}

async function untilTotal(log: OpenedLog, total: number): Promise<void> {
  const deadline = performance.now() + COUNTED_TIMEOUT_MS
  while ((await log.total()) < total) {
    assert.ok(performance.now() < deadline, `${await log.total()} of ${total} are counted`)
    await pause(20)
  }
}

export function testClickLog(
  name: string,
  open: (options: OpenOptions) => Promise<OpenedLog>,
  options: ContractOptions = {},
): void {
  test(
    `${name}: I1: what append resolved for is counted once, whatever the store does`,
    options,
    async () => {
      const weather = ['refuses', 'fine', 'answer lost', 'lands late', 'refuses'] as const
      await using log = await open({ weather })
      const stop = new AbortController()
      const running = runAggregator(log.source, log.store, stop.signal)
      for (let round = 0; round < 5; round += 1) {
        await Promise.all(
          Array.from({ length: 20 }, (_, index) => log.sink.append(click(index + 1))),
        )
      }
      await untilTotal(log, 100) // when it stops, a log that outlives the process may keep some
      stop.abort()
      await running
      assert.equal(await log.total(), 100)
      assert.deepEqual(log.sink.state(), { waiting: 0, trouble: undefined })
    },
  )

  test(
    `${name}: I4: a full log refuses at once, and what it refused is never counted`,
    options,
    async () => {
      await using log = await open({ waitingMax: 2 })
      const stop = new AbortController()
      const running = runAggregator(log.source, log.store, stop.signal)
      const appends = [1, 2].map((id) => log.sink.append(click(id)))
      await assert.rejects(log.sink.append(click(3)), { code: 'overloaded' })
      assert.equal(log.sink.state().trouble, 'too many clicks wait')
      await Promise.all(appends)
      await log.sink.append(click(4))
      stop.abort()
      await running
      assert.equal(await log.total(), 3)
    },
  )

  test(
    `${name}: after the signal what waits is still counted, then the batches end`,
    options,
    async () => {
      await using log = await open({})
      const stop = new AbortController()
      const running = runAggregator(log.source, log.store, stop.signal)
      await log.sink.append(click(1))
      const appends = [2, 3, 4].map((id) => log.sink.append(click(id)))
      await log.takenIn(appends)
      stop.abort()
      await running
      await Promise.all(appends)
      assert.equal(await log.total(), 4)
    },
  )

  test(
    `${name}: when time is up, what waits is answered and nothing more taken in`,
    options,
    async () => {
      await using log = await open({})
      const waiting = [1, 2].map((id) => log.sink.append(click(id)))
      log.sink.giveUp()
      for (const append of waiting) await assert.rejects(append, { code: 'store_unavailable' })
      await assert.rejects(log.sink.append(click(3)), { code: 'overloaded' })
      const stop = new AbortController()
      stop.abort()
      await runAggregator(log.source, log.store, stop.signal)
      assert.ok((await log.total()) <= 2)
    },
  )
}
