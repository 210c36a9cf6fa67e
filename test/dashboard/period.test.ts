import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canTellPeak,
  instantOf,
  isOpen,
  isTooFine,
  isZone,
  rangeBefore,
  rangeOf,
  stepFor,
  timestamp,
  wallTime,
  type Period,
} from '../../web/dashboard/model/period.ts'

const BERLIN = 'Europe/Berlin'
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** At noon of the day on which clocks in Berlin were put forward. */
const NOON = Date.parse('2026-03-29T12:00:00+02:00')

function written({ from, to }: { from: number; to: number }, tz = BERLIN): [string, string] {
  return [timestamp(from, tz), timestamp(to, tz)]
}

test('D10: presets begin with the hour or the day, by the clock of the zone', () => {
  const of = (preset: 'hour' | 'today' | '7days' | '30days') =>
    written(rangeOf({ kind: 'preset', preset }, BERLIN, NOON))
  const noon = '2026-03-29T12:00:00+02:00'
  assert.deepEqual(of('hour'), ['2026-03-29T11:00:00+02:00', noon])
  assert.deepEqual(of('today'), ['2026-03-29T00:00:00+01:00', noon])
  assert.deepEqual(of('7days'), ['2026-03-23T00:00:00+01:00', noon])
  assert.deepEqual(of('30days'), ['2026-02-28T00:00:00+01:00', noon])
})

test('D10: the period before begins where a day begins, and is as long', () => {
  const of = (period: Period, now = NOON) => {
    const range = rangeOf(period, BERLIN, now)
    const before = rangeBefore(period, range, BERLIN)
    assert.equal(before.to - before.from, range.to - range.from)
    return timestamp(before.from, BERLIN)
  }
  assert.equal(of({ kind: 'preset', preset: 'hour' }), '2026-03-29T10:00:00+02:00')
  assert.equal(of({ kind: 'preset', preset: 'today' }), '2026-03-28T00:00:00+01:00')
  assert.equal(of({ kind: 'preset', preset: 'today' }, NOON + DAY_MS), '2026-03-29T00:00:00+01:00')
  assert.equal(of({ kind: 'preset', preset: '7days' }), '2026-03-16T00:00:00+01:00')
  const free = { kind: 'free', from: NOON, to: NOON + HOUR_MS } as const
  assert.equal(of(free), '2026-03-29T11:00:00+02:00')
})

test('D10: what a clock shows is one instant, and nothing that is no time is one', () => {
  assert.equal(wallTime(NOON, BERLIN), '2026-03-29T12:00')
  assert.equal(instantOf('2026-03-29T12:00', BERLIN), NOON)
  // It is not shown on this day: an hour later is.
  assert.equal(instantOf('2026-03-29T02:30', BERLIN), Date.parse('2026-03-29T01:30Z'))
  for (const wrong of ['', '2026', '2026-02-30T00:00', '2026-01-01T25:00', 'noon']) {
    assert.equal(instantOf(wrong, 'UTC'), undefined, wrong)
  }
})

test('D10: steps suit the length, and those of which there would be too many are refused', () => {
  const free = (length: number): Period => ({ kind: 'free', from: 0, to: length })
  const lengths = [HOUR_MS, DAY_MS, 30 * DAY_MS, 1_000 * DAY_MS, 130 * 365 * DAY_MS]
  const steps = lengths.map((length) => stepFor(free(length)))
  assert.deepEqual(steps, ['minute', 'hour', 'day', 'month', 'month'])
  assert.ok(lengths.every((to) => !isTooFine(stepFor(free(to)), { from: 0, to })))
  assert.equal(isTooFine('minute', { from: 0, to: 69 * DAY_MS }), false)
  assert.equal(isTooFine('minute', { from: 0, to: 70 * DAY_MS }), true)
  assert.equal(canTellPeak('day', { from: 0, to: 300 * DAY_MS }), true)
  assert.equal(canTellPeak('month', { from: 0, to: 300 * DAY_MS }), false)
})

test('D10: more may come into what ends now or later', () => {
  assert.equal(isOpen({ kind: 'preset', preset: 'today' }, NOON), true)
  assert.equal(isOpen({ kind: 'free', from: 0, to: NOON }, NOON), false)
  assert.equal(isOpen({ kind: 'free', from: 0, to: NOON + 1 }, NOON), true)
})

test('D10: zones are those that the browser knows', () => {
  assert.deepEqual(['UTC', BERLIN, '', 'Mars/Olympus'].map(isZone), [true, true, false, false])
})
