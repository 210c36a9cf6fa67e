// What direct.test.ts does not show of the clicks that wait, whatever log they wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { WaitingClicks, type WaitingClicksOptions } from '../../src/log/waiting-clicks.ts'
import { click } from '../contract/click-log.ts'

function openClicks(options: Partial<WaitingClicksOptions> = {}): WaitingClicks {
  return new WaitingClicks({
    clock: { now: () => 1_000 },
    waitingMax: 10,
    ackTimeoutMs: 60_000,
    ...options,
  })
}

function idsOf(taken: ReturnType<WaitingClicks['take']>): number[] {
  return taken.map((waiter) => waiter.click.bannerId)
}

test('the oldest are taken first, at most as many as asked for, and those alone are settled', async () => {
  using clicks = openClicks()
  const appends = [1, 2, 3].map((id) => clicks.append(click(id)))
  assert.deepEqual(idsOf(clicks.take(2)), [1, 2])
  assert.deepEqual([clicks.size, clicks.untaken], [3, 1])
  clicks.acknowledge()
  await Promise.all(appends.slice(0, 2))
  assert.deepEqual([clicks.size, clicks.untaken], [1, 1])
  assert.deepEqual(idsOf(clicks.take(2)), [3])
  clicks.acknowledge()
  await appends[2]
})

test('what is given up is answered, and acknowledged no more', async () => {
  using clicks = openClicks()
  const given = assert.rejects(clicks.append(click(1)), { code: 'store_unavailable' })
  clicks.take(1)
  const waiting = clicks.append(click(2))
  clicks.giveUp()
  await given
  assert.deepEqual(idsOf(clicks.take(1)), [2])
  clicks.acknowledge()
  await waiting
  assert.equal(clicks.size, 0)
})

test('when time is up all are answered, and what was not taken is dropped', async () => {
  let late = 0
  using clicks = openClicks({ onLate: (found) => (late += found) })
  const taken = assert.rejects(clicks.append(click(1)), { code: 'store_unavailable' })
  clicks.take(1)
  const waiting = assert.rejects(clicks.append(click(2)), { code: 'store_unavailable' })
  clicks.giveUpAll()
  await Promise.all([taken, waiting])
  await assert.rejects(clicks.append(click(3)), { code: 'overloaded' })
  assert.deepEqual([clicks.size, clicks.untaken], [1, 0])
  clicks.acknowledge() // it became durable after all
  assert.equal(late, 1)
})

test('there is room for as many as wait or are taken, and again once they are settled', async () => {
  using clicks = openClicks({ waitingMax: 2 })
  const first = clicks.append(click(1))
  clicks.take(1)
  const second = clicks.append(click(2))
  assert.equal(clicks.isFull, true)
  await assert.rejects(clicks.append(click(3)), { code: 'overloaded' })
  clicks.acknowledge()
  await first
  assert.equal(clicks.isFull, false)
  const third = clicks.append(click(4))
  assert.deepEqual(idsOf(clicks.take(9)), [2, 4])
  clicks.acknowledge()
  await Promise.all([second, third])
})

test('who waits for clicks is woken by one, or by hand', async () => {
  using clicks = openClicks()
  const byClick = clicks.untilWoken()
  const append = clicks.append(click())
  await byClick
  const byHand = clicks.untilWoken()
  clicks.wake()
  await byHand
  clicks.take(1)
  clicks.acknowledge()
  await append
})

test('a lull is a turn without a click; with enough of them there is no waiting', async () => {
  using clicks = openClicks({ waitingMax: 1_000 })
  await clicks.lull(10) // of nothing
  const appends = [clicks.append(click(1))]
  let isOver = false
  const lull = clicks.lull(10).then(() => (isOver = true))
  appends.push(clicks.append(click(2)))
  await Promise.resolve()
  assert.equal(isOver, false)
  await lull
  await clicks.lull(2)
  let turns = 0
  const endless = (async () => {
    for (; turns < 500; turns += 1) {
      appends.push(clicks.append(click(3)))
      await tick()
    }
  })()
  const untilEnough = clicks.lull(20)
  await untilEnough
  assert.ok(clicks.untaken <= 25, `${clicks.untaken} wait`)
  await endless
  clicks.take(1_000)
  clicks.acknowledge()
  await Promise.all(appends)
})

test('at the end everybody who waits is answered', async () => {
  const clicks = openClicks()
  const appends = [1, 2].map((id) => clicks.append(click(id)))
  clicks.take(1)
  clicks[Symbol.dispose]()
  for (const append of appends) await assert.rejects(append, { code: 'store_unavailable' })
  await assert.rejects(clicks.append(click(3)), { code: 'overloaded' })
})
