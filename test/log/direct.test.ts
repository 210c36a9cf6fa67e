import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick, setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../../src/clock.ts'
import { AppError } from '../../src/errors.ts'
import type { Outcome } from '../../src/log/click-log.ts'
import { DirectLog, type DirectLogOptions } from '../../src/log/direct.ts'
import { click, nextOf, testClickLog } from '../contract/click-log.ts'
import { FakeStore } from '../support/fake-store.ts'

const counted: Outcome = { kind: 'counted' }
const inDoubt: Outcome = { kind: 'in-doubt', cause: new AppError('store_unavailable', 'away') }
const clock: Clock = { now: () => 1_000 }

function openLog(options: Partial<DirectLogOptions> = {}): DirectLog {
  return new DirectLog({
    source: 'writer:a',
    clock,
    waitingMax: 10,
    batchMax: 10,
    ackTimeoutMs: 60_000,
    ...options,
  })
}

testClickLog('DirectLog', async ({ weather = [], waitingMax = 100 }) => {
  const log = openLog({ waitingMax })
  const store = new FakeStore(weather)
  return {
    sink: log,
    source: log,
    store,
    total: async () => store.total,
    takenIn: async () => {}, // as soon as append is called
    [Symbol.asyncDispose]: async () => log[Symbol.dispose](),
  }
})

test('I3: a batch in doubt is yielded again unchanged, whatever has arrived since', async () => {
  using log = openLog()
  const stop = new AbortController()
  const batches = log.batches(stop.signal)
  const appends = [log.append(click(1))]
  const batch = await nextOf(batches)
  appends.push(log.append(click(2)))
  let last = batch
  for (let attempt = 0; attempt < 3; attempt += 1) {
    last.settle(inDoubt)
    last = await nextOf(batches)
    assert.deepEqual(last.span, batch.span)
    assert.deepEqual(last.clicks, batch.clicks)
  }
  last.settle(counted)
  const rest = await nextOf(batches)
  assert.deepEqual(rest.clicks, [click(2)])
  rest.settle(counted)
  stop.abort()
  assert.equal((await batches.next()).done, true)
  await Promise.all(appends)
})

test('after the signal the batches that wait are yielded, though none was asked for before', async () => {
  using log = openLog()
  const stop = new AbortController()
  const batches = log.batches(stop.signal)
  const appends = [1, 2, 3].map((id) => log.append(click(id)))
  stop.abort()
  const batch = await nextOf(batches)
  assert.deepEqual(batch.clicks, [1, 2, 3].map(click))
  batch.settle(counted)
  assert.equal((await batches.next()).done, true)
  await Promise.all(appends)
})

test('clicks that arrive during a commit share the next batch', async () => {
  using log = openLog()
  const batches = log.batches(new AbortController().signal)
  const first = log.append(click(1))
  const batch = await nextOf(batches)
  const others = [log.append(click(2)), log.append(click(3))]
  batch.settle(counted)
  const next = await nextOf(batches)
  await first
  assert.deepEqual(
    next.clicks.map(({ bannerId }) => bannerId),
    [2, 3],
  )
  assert.equal(next.span.from, batch.span.to)
  next.settle(counted)
  const end = batches.next()
  await Promise.all(others)
  log.close()
  void end
})

test('I5: no click is acknowledged before its batch is counted', async () => {
  using log = openLog()
  const batches = log.batches(new AbortController().signal)
  let isAcknowledged = false
  const append = log.append(click()).then(() => (isAcknowledged = true))
  const batch = await nextOf(batches)
  await tick()
  assert.equal(isAcknowledged, false)
  batch.settle(counted)
  void batches.next()
  await append
})

test('a superseded batch is fatal: another process wrote under this writer’s name', async () => {
  using log = openLog()
  const batches = log.batches(new AbortController().signal)
  const append = assert.rejects(log.append(click()), { code: 'store_unavailable' })
  const batch = await nextOf(batches)
  batch.settle({ kind: 'superseded' })
  await assert.rejects(batches.next(), { name: 'OperatorError' })
  log[Symbol.dispose]()
  await append
})

test('I4: a full log refuses at once, and what it refused is never yielded', async () => {
  using log = openLog({ waitingMax: 2 })
  const batches = log.batches(new AbortController().signal)
  const first = log.append(click(1))
  const batch = await nextOf(batches)
  const second = log.append(click(2))
  await assert.rejects(log.append(click(3)), { code: 'overloaded' })
  assert.equal(log.state().trouble, 'too many clicks wait')
  batch.settle(counted)
  const next = await nextOf(batches)
  assert.deepEqual(next.clicks, [click(2)])
  next.settle(counted)
  void batches.next()
  await Promise.all([first, second])
})

test('a click that waits too long is answered, and counted only if its batch was under way', async () => {
  let late = 0
  using log = openLog({ ackTimeoutMs: 100, onLate: (clicks) => (late += clicks) })
  const batches = log.batches(new AbortController().signal)
  const underWay = assert.rejects(log.append(click(1)), { code: 'store_unavailable' })
  const batch = await nextOf(batches)
  const waiting = assert.rejects(log.append(click(2)), { code: 'store_unavailable' })
  await Promise.all([underWay, waiting])
  batch.settle(counted)
  const fresh = log.append(click(3))
  const next = await nextOf(batches)
  assert.equal(late, 1)
  assert.deepEqual(next.clicks, [click(3)])
  next.settle(counted)
  void batches.next()
  await fresh
})

test('I12: a click is not acknowledged later than the shared clock allows, even if this process slept', async () => {
  let now = 1_000
  using log = openLog({ clock: { now: () => now }, ackTimeoutMs: 5_000 })
  const batches = log.batches(new AbortController().signal)
  const refused = assert.rejects(log.append(click()), { code: 'store_unavailable' })
  const batch = await nextOf(batches)
  now += 5_001 // stopped and continued; no timer has run yet
  batch.settle(counted)
  void batches.next()
  await refused
})

test('a closed log takes nothing in', async () => {
  using log = openLog()
  log.close()
  await assert.rejects(log.append(click()), { code: 'overloaded' })
})

test('the state tells that the store is away, and that it is back', async () => {
  using log = openLog()
  const batches = log.batches(new AbortController().signal)
  const append = log.append(click())
  const batch = await nextOf(batches)
  assert.deepEqual(log.state(), { waiting: 1, trouble: undefined })
  batch.settle(inDoubt)
  const again = await nextOf(batches)
  assert.deepEqual(log.state(), { waiting: 1, trouble: 'the store is away' })
  again.settle(counted)
  void batches.next()
  await append
  assert.deepEqual(log.state(), { waiting: 0, trouble: undefined })
})

test('a store that does not answer shows in the state', async () => {
  using log = openLog()
  const batches = log.batches(new AbortController().signal)
  const append = log.append(click())
  const batch = await nextOf(batches)
  while (log.state().trouble === undefined) await pause(50)
  assert.equal(log.state().trouble, 'the store does not answer')
  batch.settle(counted)
  void batches.next()
  await append
})
