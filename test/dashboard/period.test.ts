import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  canTellPeak,
  daysOf,
  instantOf,
  isOpen,
  isTooCoarse,
  isTooFine,
  isZone,
  PRESETS,
  rangeOf,
  stepFor,
  timestamp,
  wallTime,
  type Period,
  type Preset,
} from '../../web/dashboard/model/period.ts'
import { STEPS } from '../../web/dashboard/api/api.ts'

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

test('D10: what a clock shows is one instant, and nothing that is no time is one', () => {
  assert.equal(wallTime(NOON, BERLIN), '2026-03-29T12:00')
  assert.equal(instantOf('2026-03-29T12:00', BERLIN), NOON)
  // It is not shown on this day: an hour later is.
  assert.equal(instantOf('2026-03-29T02:30', BERLIN), Date.parse('2026-03-29T01:30Z'))
  // It is shown twice on that one: the first is taken, unless the second was shown.
  const [first, second] = ['2025-10-26T00:30Z', '2025-10-26T01:30Z'].map((at) => Date.parse(at))
  assert.equal(instantOf('2025-10-26T02:30', BERLIN), first)
  assert.equal(instantOf('2025-10-26T02:30', BERLIN, second), second)
  assert.equal(instantOf('2025-10-26T02:31', BERLIN, second), (first ?? 0) + 60_000)
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

test('D10: a step is not longer than the period', () => {
  const longest = (period: Period): string | undefined =>
    STEPS.findLast((step) => !isTooCoarse(step, period))
  const preset = (each: Preset): Period => ({ kind: 'preset', preset: each })
  assert.deepEqual(
    PRESETS.map((each) => longest(preset(each))),
    ['minute', 'day', 'day', 'week'],
  )
  assert.ok(PRESETS.every((each) => !isTooCoarse(stepFor(preset(each)), preset(each))))
  const free = (from: string, to: string): Period => ({
    kind: 'free',
    from: Date.parse(from),
    to: Date.parse(to),
  })
  // The last one is a day of 23 hours.
  assert.equal(longest(free('2026-02-01T00:00Z', '2026-03-01T00:00Z')), 'month')
  assert.equal(longest(free('2026-03-02T00:00Z', '2026-03-09T00:00Z')), 'week')
  assert.equal(longest(free('2026-03-29T00:00+01:00', '2026-03-30T00:00+02:00')), 'day')
  assert.equal(longest(free('2026-03-29T00:00Z', '2026-03-29T00:00:01Z')), 'minute')
})

test('D10: a period is made of days where both of its ends are a midnight of the zone', () => {
  const day = { kind: 'free', from: Date.parse('2026-03-28T23:00Z') } as const
  assert.equal(daysOf({ ...day, to: Date.parse('2026-03-29T22:00Z') }, BERLIN), 1)
  assert.equal(daysOf({ ...day, to: Date.parse('2026-03-29T23:00Z') }, BERLIN), undefined)
  assert.equal(daysOf({ kind: 'preset', preset: '7days' }, BERLIN), 7)
  assert.equal(daysOf({ kind: 'preset', preset: 'hour' }, BERLIN), undefined)
})

test('D10: more may come into what ends now or later', () => {
  assert.equal(isOpen({ kind: 'preset', preset: 'today' }, NOON), true)
  assert.equal(isOpen({ kind: 'free', from: 0, to: NOON }, NOON), false)
  assert.equal(isOpen({ kind: 'free', from: 0, to: NOON + 1 }, NOON), true)
})

test('D10: zones are those that the browser knows', () => {
  assert.deepEqual(['UTC', BERLIN, '', 'Mars/Olympus'].map(isZone), [true, true, false, false])
})
