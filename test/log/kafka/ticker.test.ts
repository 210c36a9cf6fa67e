import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ticker } from '../../../src/log/kafka/ticker.ts'

function positions(...all: readonly bigint[]): Map<number, bigint> {
  return new Map(all.map((next, number) => [number, next]))
}

test('without an interval there are no ticks, and everything is wanted', () => {
  const ticker = new Ticker(undefined)
  assert.equal(ticker.observe(1_000, [5n]), false)
  assert.equal(ticker.observe(9_000_000, [9n]), false)
  assert.deepEqual(ticker.wanted(positions(9n, 0n)), positions(9n, 0n))
})

test('a tick is the first instant in another interval of the shared clock', () => {
  const ticker = new Ticker(100)
  const instants = [250, 260, 299, 300, 301, 399, 400, 730, 799, 800]
  assert.deepEqual(
    instants.filter((instant) => ticker.observe(instant, [])),
    [300, 400, 730, 800],
  )
})

test('a process that starts on a full interval waits for the next one', () => {
  const ticker = new Ticker(100)
  assert.deepEqual([ticker.observe(300, [5n]), ticker.observe(399, [5n])], [false, false])
  assert.deepEqual(ticker.wanted(positions(0n)), positions())
  assert.equal(ticker.observe(400, [5n]), true)
  assert.deepEqual(ticker.wanted(positions(0n)), positions(0n))
})

test('what the log held at the last tick is wanted, and nothing that came since', () => {
  const ticker = new Ticker(100)
  ticker.observe(10, [3n, 3n])
  ticker.observe(100, [3n, 0n, 7n])
  ticker.observe(150, [9n, 9n, 9n])
  assert.deepEqual(ticker.wanted(positions(2n, 0n, 7n, 0n)), positions(2n))
  assert.deepEqual(ticker.wanted(positions(3n, 0n, 8n)), positions())
  ticker.observe(200, [9n, 9n, 9n])
  assert.deepEqual(ticker.wanted(positions(3n, 0n, 9n)), positions(3n, 0n))
})
