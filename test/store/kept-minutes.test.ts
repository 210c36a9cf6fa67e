import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ceilTo, DAY_MS, floorTo, MINUTE_MS, QUARTER_MS } from '../../src/minute.ts'
import { countsOfSteps, slicesOf, slicesOfSteps } from '../../src/query/series.ts'
import { STEPS, stepStarts } from '../../src/query/steps.ts'
import { zoneOf } from '../../src/query/zone.ts'
import type { Slice } from '../../src/store/count-store.ts'
import { slicesKept } from '../../src/store/kept-minutes.ts'
import { runs } from '../support/properties.ts'

const UNITS = { minute: MINUTE_MS, quarter: QUARTER_MS, day: DAY_MS } as const
const NOON = Date.UTC(2024, 11, 10, 12)
/** Offsets of whole, half and quarter hours, and of 44 and 40 minutes. */
const PLACES = [
  ['UTC', '2024-06-01'],
  ['Europe/Berlin', '2024-10-27'],
  ['Australia/Lord_Howe', '2024-04-06'],
  ['Asia/Kathmandu', '2024-06-01'],
  ['Africa/Monrovia', '1971-12-20'],
  ['Pacific/Kiritimati', '1979-09-28'],
] as const

/** What the tables hold of clicks once the minutes before `minutesFrom` are deleted, by the slices. */
function rowsOf(slices: readonly Slice[], clicks: readonly number[], minutesFrom: number) {
  const at: number[] = []
  for (const { resolution, from, to } of slices) {
    const isKept = resolution !== 'minute' || from >= minutesFrom
    assert.ok(
      isKept,
      `a slice of minutes begins at ${from}, and they are gone before ${minutesFrom}`,
    )
    assert.ok(from < to && from % UNITS[resolution] === 0 && to % UNITS[resolution] === 0)
    at.push(
      ...clicks
        .map((click) => floorTo(click, UNITS[resolution]))
        .filter((slot) => from <= slot && slot < to)
        .toSorted((a, b) => a - b),
    )
  }
  return { at: Float64Array.from(at), count: Float64Array.from(at, () => 1) }
}

/** The minute in which a click counts. */
function minuteOf(click: number, minutesFrom: number): number {
  return floorTo(click, click < minutesFrom ? QUARTER_MS : MINUTE_MS)
}

const scene = fc.record({
  place: fc.constantFrom(...PLACES),
  step: fc.constantFrom(...STEPS),
  /** Minutes since a day before the place's date. */
  from: fc.nat(2 * 1_440),
  length: fc.integer({ min: 1, max: 3 * 1_440 }),
  minutesFromDay: fc.integer({ min: -2, max: 6 }),
  offsets: fc.array(fc.integer({ min: -1_440, max: 8 * 1_440 }), { minLength: 1, maxLength: 80 }),
})

test('I20: steps hold what counts in their minutes, whatever zone, step and boundary', () => {
  fc.assert(
    fc.property(scene, ({ place: [tz, date], step, from, length, minutesFromDay, offsets }) => {
      const begin = Date.parse(`${date}T00:00:00Z`) - DAY_MS
      const range = { from: begin + from * MINUTE_MS, to: begin + (from + length) * MINUTE_MS }
      const minutesFrom = begin + minutesFromDay * DAY_MS
      const starts = stepStarts(step, zoneOf(tz, range), range)
      const clicks = offsets.map((offset) => begin + offset * MINUTE_MS)
      const rows = rowsOf(slicesKept(slicesOfSteps(starts), minutesFrom), clicks, minutesFrom)
      const minutes = clicks.map((click) => minuteOf(click, minutesFrom))
      const expected = starts
        .slice(1)
        .map((end, index) => minutes.filter((m) => m >= (starts[index] ?? 0) && m < end).length)
      assert.deepEqual([...countsOfSteps(starts, rows)], expected)
    }),
    runs(500),
  )
})

test('I20: any split of a range adds up, and whole quarters to what was clicked in them', () => {
  const minutes = fc.array(fc.integer({ min: -3 * 1_440, max: 3 * 1_440 }), { maxLength: 80 })
  fc.assert(
    fc.property(minutes, minutes, fc.integer({ min: -3, max: 3 }), (offsets, cuts, day) => {
      const minutesFrom = floorTo(NOON, DAY_MS) + day * DAY_MS
      const clicks = offsets.map((offset) => NOON + offset * MINUTE_MS)
      const sumOf = (from: number, to: number): number =>
        rowsOf(slicesKept(slicesOf({ from, to }), minutesFrom), clicks, minutesFrom).at.length
      const ends = cuts.map((cut) => NOON + cut * MINUTE_MS).toSorted((a, b) => a - b)
      const [first = NOON, last = NOON] = [ends[0], ends.at(-1)]
      const parts = ends.slice(1).map((end, index) => sumOf(ends[index] ?? end, end))
      assert.equal(
        parts.reduce((sum, part) => sum + part, 0),
        sumOf(first, last),
      )
      const [from, to] = [floorTo(first, QUARTER_MS), ceilTo(last, QUARTER_MS)]
      const clicked = clicks.filter((click) => from <= click && click < to).length
      assert.equal(sumOf(from, to), clicked)
    }),
    runs(500),
  )
})

test('slices that take no minute that is gone stay as they are', () => {
  const slices = slicesOf({ from: NOON - 20 * DAY_MS, to: NOON + 7 * MINUTE_MS })
  assert.equal(slicesKept(slices, floorTo(NOON, DAY_MS)), slices)
  assert.equal(slicesKept(slices, 0), slices)
})
