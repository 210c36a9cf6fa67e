import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveCounts } from '../../web/dashboard/model/live-counts.ts'

const MINUTE_MS = 60_000

test('D11: what the stream tells again is not counted again, and a new value replaces the old one', () => {
  const counts = new LiveCounts()
  const rows = [
    { bannerId: 1, minute: 0, count: 3 },
    { bannerId: 2, minute: 0, count: 4 },
    { bannerId: 1, minute: MINUTE_MS, count: 5 },
  ]
  assert.equal(counts.take(rows), 12)
  assert.equal(counts.take(rows), 0)
  assert.equal(counts.take([{ bannerId: 1, minute: MINUTE_MS, count: 8 }]), 3)
  assert.equal(counts.total(0), 15)
  assert.equal(counts.total(MINUTE_MS), 8)
  assert.equal(counts.total(0, MINUTE_MS), 7)
  assert.deepEqual(
    counts.byBanner(0),
    new Map([
      [1, 11],
      [2, 4],
    ]),
  )
  counts.forgetBefore(MINUTE_MS)
  assert.equal(counts.total(0), 8)
})
