import assert from 'node:assert/strict'
import { test } from 'node:test'
import { steadyClock } from '../src/clock.ts'

test('I10: the clock follows the machine, and stands still while that one is behind', () => {
  const readings = [100, 105, 90, 104, 106]
  const clock = steadyClock(0, () => readings.shift() ?? 0)
  assert.deepEqual(
    Array.from({ length: 5 }, () => clock.now()),
    [100, 105, 105, 105, 106],
  )
})

test('I10: the clock is never behind its floor', () => {
  const clock = steadyClock(1_000, () => 10)
  assert.equal(clock.now(), 1_000)
})

test('I10: the clock says how far ahead it is held, until the machine has caught up', () => {
  let time = 400
  const clock = steadyClock(1_000, () => time)
  assert.deepEqual([clock.aheadMs, clock.now()], [600, 1_000])
  time = 1_000
  assert.equal(clock.aheadMs, 0)
  time = 1_200
  assert.deepEqual([clock.now(), clock.aheadMs], [1_200, 0])
})
