import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { runs } from '../support/properties.ts'

const span = { source: 'writer:a', from: 0n, to: 1n, batchId: 'b' }
const MINUTE = 1_733_835_360_000 // 2024-12-10T12:56:00Z

test('clicks of one banner and minute become one delta, rows in the order of their slots', () => {
  const { deltas, keyed } = aggregate({
    span,
    clicks: [
      { bannerId: 9, tally: 'click', at: MINUTE },
      { bannerId: 2, tally: 'click', at: MINUTE + 60_000 },
      { bannerId: 2, tally: 'click', at: MINUTE + 59_999 },
      { bannerId: 2, tally: 'click', at: MINUTE },
    ],
  })
  assert.deepEqual(deltas, [
    { bannerId: 2, tally: 'click', minute: MINUTE, count: 2 },
    { bannerId: 2, tally: 'click', minute: MINUTE + 60_000, count: 1 },
    { bannerId: 9, tally: 'click', minute: MINUTE, count: 1 },
  ])
  assert.deepEqual(keyed, [])
})

test('a key is stored as half of a SHA-256, one for each banner', () => {
  const { deltas, keyed } = aggregate({
    span,
    clicks: [1, 2].map((bannerId) => ({ bannerId, tally: 'click', at: MINUTE, key: 'order-1' })),
  })
  assert.deepEqual(deltas, [])
  const hashOf = (bannerId: number) =>
    createHash('sha256').update(`click\n${bannerId}\norder-1`).digest('hex').slice(0, 32)
  assert.deepEqual(
    keyed.map(({ keyHash }) => Buffer.from(keyHash).toString('hex')),
    [hashOf(1), hashOf(2)],
  )
})

test('neither the order of clicks nor how they are split changes what is counted', () => {
  const click = fc.record({
    bannerId: fc.integer({ min: 1, max: 5 }),
    tally: fc.constant('click' as const),
    at: fc.integer({ min: MINUTE, max: MINUTE + 200_000 }),
  })
  const sumOf = (...parts: Click[][]) => {
    const sums: Record<string, number> = {}
    for (const { bannerId, minute, count } of parts.flatMap(
      (clicks) => aggregate({ span, clicks }).deltas,
    )) {
      const slot = `${bannerId} ${minute}`
      sums[slot] = (sums[slot] ?? 0) + count
    }
    return sums
  }
  fc.assert(
    fc.property(fc.array(click, { maxLength: 40 }), fc.nat(40), (clicks, split) => {
      const reversed = clicks.toReversed()
      assert.deepEqual(
        aggregate({ span, clicks: reversed }).deltas,
        aggregate({ span, clicks }).deltas,
      )
      assert.deepEqual(sumOf(clicks.slice(0, split), clicks.slice(split)), sumOf(clicks))
    }),
    runs(200),
  )
})
