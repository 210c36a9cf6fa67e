import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DAY_MS, MINUTE_MS, QUARTER_MS } from '../../src/minute.ts'
import { formatInstant, isPartial, slicesOf } from '../../src/query/series.ts'
import { runs } from '../support/properties.ts'

const UNITS = { minute: MINUTE_MS, quarter: QUARTER_MS, day: DAY_MS } as const

test('slices cover every minute of a range once, in order, with few rows', () => {
  const minute = fc.nat(100_000_000).map((minutes) => minutes * MINUTE_MS)
  fc.assert(
    fc.property(minute, fc.nat(5_000), (from, minutes) => {
      const to = from + minutes * MINUTE_MS
      const slices = slicesOf({ from, to })
      let at = from
      let rows = 0
      for (const slice of slices) {
        const unitMs = UNITS[slice.resolution]
        assert.equal(slice.from, at)
        assert.ok(slice.to > slice.from)
        assert.equal(slice.from % unitMs, 0)
        assert.equal(slice.to % unitMs, 0)
        rows += (slice.to - slice.from) / unitMs
        at = slice.to
      }
      assert.equal(at, to)
      assert.ok(rows <= 2 * 14 + 2 * 95 + (to - from) / DAY_MS, `${rows} rows`)
    }),
    runs(500),
  )
})

test('I12: a range is partial until no click of it can be acknowledged any more', () => {
  const to = 1_000_000
  assert.equal(isPartial(to, to + 5_000 + 999, 5_000), true)
  assert.equal(isPartial(to, to + 5_000 + 1_000, 5_000), false)
})

test('instants are written with milliseconds', () => {
  assert.equal(formatInstant(Date.UTC(2024, 11, 10, 12, 56)), '2024-12-10T12:56:00.000Z')
})
