import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import * as fc from 'fast-check'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import type { Click } from '../../src/click.ts'
import { steadyClock } from '../../src/clock.ts'
import { AppError } from '../../src/errors.ts'
import { DirectLog } from '../../src/log/direct.ts'
import { FakeStore, type Weather } from '../support/fake-store.ts'
import { runs } from '../support/properties.ts'

const weathers = fc.array(
  fc.constantFrom<Weather>('fine', 'refuses', 'answer lost', 'lands late'),
  { maxLength: 12 },
)
const clicks = fc.array(
  fc.record({
    bannerId: fc.integer({ min: 1, max: 3 }),
    key: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
  }),
  { maxLength: 8 },
)

type Answer = 'acknowledged' | 'overloaded' | 'store_unavailable'

interface Sent {
  readonly click: Click
  readonly answer: Promise<Answer>
}

// I2, I3, I4 together: one schedule of arrivals and store failures, every promise checked.
test('I2: whatever the store does, acknowledged clicks count once and refused ones as promised', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(clicks, { maxLength: 8 }),
      weathers,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom(5, 60_000),
      async (waves, weather, waitingMax, batchMax, ackTimeoutMs) => {
        const store = new FakeStore(weather)
        const clock = steadyClock(0)
        using log = new DirectLog({
          source: 'writer:a',
          clock,
          waitingMax,
          batchMax,
          ackTimeoutMs,
          retryPauseMaxMs: 0,
        })
        const stop = new AbortController()
        const running = runAggregator(log, store, stop.signal)
        const sent: Sent[] = []
        for (const wave of waves) {
          for (const { bannerId, key } of wave) {
            const click: Click = { bannerId, tally: 'click', at: clock.now(), ...(key && { key }) }
            sent.push({ click, answer: answerOf(log.append(click)) })
          }
          await tick()
        }
        stop.abort()
        await running
        store.land()
        await checkPromises(sent, store)
      },
    ),
    runs(300),
  )
})

async function checkPromises(sent: readonly Sent[], store: FakeStore): Promise<void> {
  const unkeyed = { acknowledged: 0, overloaded: 0, store_unavailable: 0 }
  const keys = { acknowledged: new Set<string>(), taken: new Set<string>() }
  for (const { click, answer } of sent) {
    const given = await answer
    if (click.key === undefined) unkeyed[given] += 1
    else {
      const key = `${click.bannerId} ${click.key}`
      if (given === 'acknowledged') keys.acknowledged.add(key)
      if (given !== 'overloaded') keys.taken.add(key)
    }
  }
  const least = unkeyed.acknowledged + keys.acknowledged.size
  const most = unkeyed.acknowledged + unkeyed.store_unavailable + keys.taken.size
  assert.ok(store.total >= least, `${least - store.total} acknowledged clicks were lost`)
  assert.ok(store.total <= most, `${store.total - most} clicks were counted twice or refused`)
}

async function answerOf(append: Promise<void>): Promise<Answer> {
  try {
    await append
    return 'acknowledged'
  } catch (error) {
    assert.ok(error instanceof AppError)
    assert.ok(error.code === 'overloaded' || error.code === 'store_unavailable', error.code)
    return error.code
  }
}
