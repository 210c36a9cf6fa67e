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
