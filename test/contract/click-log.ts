// The contract of ClickSink and ClickSource, as tests: every adapter runs them (test/log/*.test.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import type { Click } from '../../src/click.ts'
import { AppError } from '../../src/errors.ts'
import type { Batch, ClickSink, ClickSource, Outcome } from '../../src/log/click-log.ts'
import { FakeStore } from '../support/fake-store.ts'

export interface OpenedLog extends AsyncDisposable {
  readonly log: ClickSink & ClickSource
}

const COUNTED: Outcome = { kind: 'counted' }
const IN_DOUBT: Outcome = { kind: 'in-doubt', cause: new AppError('store_unavailable', 'away') }

export function click(bannerId = 1): Click {
  return { bannerId, tally: 'click', at: 1_000 }
}

/** Takes the next batch without settling it. */
export async function nextOf(batches: AsyncIterator<Batch>): Promise<Batch> {
  const { value, done } = await batches.next()
  assert.ok(done !== true)
  return value
}

function idsOf({ clicks }: Batch): number[] {
  return clicks.map(({ bannerId }) => bannerId).toSorted((a, b) => a - b)
}

/** `open` gives an empty log with room for at least 100 clicks. */
export function testClickLog(name: string, open: () => Promise<OpenedLog>): void {
  test(`${name}: I1: what append resolved for is counted once, whatever the store does`, async () => {
    await using opened = await open()
    const store = new FakeStore(['refuses', 'fine', 'answer lost', 'lands late', 'refuses'])
    const stop = new AbortController()
    const running = runAggregator(opened.log, store, stop.signal)
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => opened.log.append(click(index + 1))),
      )
    }
    stop.abort()
    await running
    assert.equal(store.total, 100)
    assert.deepEqual(opened.log.state(), { waiting: 0, trouble: undefined })
  })

  test(`${name}: I3: a batch in doubt is yielded again unchanged, whatever has arrived since`, async () => {
    await using opened = await open()
    const stop = new AbortController()
    const batches = opened.log.batches(stop.signal)[Symbol.asyncIterator]()
    const appends = [opened.log.append(click(1))]
    const batch = await nextOf(batches)
    appends.push(opened.log.append(click(2)))
    let last = batch
    for (let attempt = 0; attempt < 3; attempt += 1) {
      last.settle(IN_DOUBT)
      last = await nextOf(batches)
      assert.deepEqual(last.span, batch.span)
      assert.deepEqual(last.clicks, batch.clicks)
    }
    last.settle(COUNTED)
    const rest = await nextOf(batches)
    assert.deepEqual(idsOf(rest), [2])
    rest.settle(COUNTED)
    stop.abort()
    assert.equal((await batches.next()).done, true)
    await Promise.all(appends)
  })

  test(`${name}: after the signal what waits is still yielded, then the batches end`, async () => {
    await using opened = await open()
    const stop = new AbortController()
    const batches = opened.log.batches(stop.signal)[Symbol.asyncIterator]()
    const appends = [1, 2, 3].map((id) => opened.log.append(click(id)))
    stop.abort()
    const yielded: number[] = []
    for (;;) {
      const { value, done } = await batches.next()
      if (done === true) break
      yielded.push(...idsOf(value))
      value.settle(COUNTED)
    }
    assert.deepEqual(yielded, [1, 2, 3])
    await Promise.all(appends)
  })
}
