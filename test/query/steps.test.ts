import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS } from '../../src/minute.ts'
import { countsOfSteps, slicesOfSteps } from '../../src/query/series.ts'
import { stepFormatter, STEPS, stepStarts, type Step } from '../../src/query/steps.ts'
import { zoneName, zoneOf } from '../../src/query/zone.ts'
import { runs } from '../support/properties.ts'

const UNITS = { minute: MINUTE_MS, quarter: QUARTER_MS, day: DAY_MS } as const
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'America/Havana',
  'America/Sao_Paulo',
  'Africa/Casablanca',
  'Africa/Monrovia',
  'Asia/Kathmandu',
  'Asia/Tehran',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Pacific/Chatham',
  'Pacific/Kiritimati',
] as const

function startsIn(tz: string, step: Step, from: string, to: string): string[] {
  const range = { from: Date.parse(from), to: Date.parse(to) }
  const zone = zoneOf(tz, range)
  return stepStarts(step, zone, range).map(stepFormatter(zone, tz === 'UTC'))
}

test('days of 23, 25 and other numbers of hours', () => {
  // Zone, the day's date, its length in hours: when clocks change, or a day is skipped after it.
  for (const [tz, date, hours] of [
    ['Europe/Berlin', '2024-03-31', 23],
    ['Europe/Berlin', '2024-10-27', 25],
    ['America/New_York', '2024-03-10', 23],
    ['America/New_York', '2024-11-03', 25],
    ['Australia/Lord_Howe', '2024-04-07', 24.5],
    ['Australia/Lord_Howe', '2024-10-06', 23.5],
    ['Asia/Tehran', '2022-03-22', 23],
    ['Asia/Tehran', '2022-09-21', 25],
    ['Pacific/Chatham', '2024-04-07', 25],
    ['Pacific/Chatham', '2024-09-29', 23],
    ['Africa/Casablanca', '2024-03-10', 25],
    ['Africa/Casablanca', '2024-04-14', 23],
    ['America/Havana', '2024-03-10', 23],
    ['America/Havana', '2024-11-03', 25],
    ['America/Sao_Paulo', '2018-11-04', 23],
    ['America/St_Johns', '2010-03-14', 23],
    ['Asia/Kathmandu', '1986-01-01', 23.75],
    ['Pacific/Apia', '2011-12-29', 24],
    ['Asia/Kolkata', '2024-03-31', 24],
  ] as const) {
    const noon = Temporal.PlainDate.from(date).toZonedDateTime({ timeZone: tz, plainTime: '12:00' })
    const at = noon.epochMilliseconds
    const zone = zoneOf(tz, { from: at, to: at + 1 })
    const [start = 0, end = 0] = stepStarts('day', zone, { from: at, to: at + 1 })
    assert.equal((end - start) / HOUR_MS, hours, `${tz} ${date}`)
    const written = stepFormatter(zone, false)(start)
    assert.ok(written.startsWith(date), written)
  }
})

test('a day that a zone skipped has no step', () => {
  assert.deepEqual(startsIn('Pacific/Apia', 'day', '2011-12-29T12:00Z', '2011-12-31T00:00Z'), [
    '2011-12-29T00:00:00-10:00',
    '2011-12-31T00:00:00+14:00',
    '2012-01-01T00:00:00+14:00',
  ])
})

test('hours: skipped, repeated, and of 90 minutes', () => {
  assert.deepEqual(startsIn('Europe/Berlin', 'hour', '2024-03-31T00:30Z', '2024-03-31T02:00Z'), [
    '2024-03-31T01:00:00+01:00',
    '2024-03-31T03:00:00+02:00',
    '2024-03-31T04:00:00+02:00',
  ])
  assert.deepEqual(startsIn('Europe/Berlin', 'hour', '2024-10-27T00:00Z', '2024-10-27T02:00Z'), [
    '2024-10-27T02:00:00+02:00',
    '2024-10-27T02:00:00+01:00',
    '2024-10-27T03:00:00+01:00',
  ])
  assert.deepEqual(
    startsIn('Australia/Lord_Howe', 'hour', '2024-04-06T14:30Z', '2024-04-06T15:31Z'),
    ['2024-04-07T01:00:00+11:00', '2024-04-07T02:00:00+10:30', '2024-04-07T03:00:00+10:30'],
  )
})

test('weeks begin on Monday, months on the first', () => {
  assert.deepEqual(startsIn('UTC', 'week', '2024-12-29T23:59Z', '2025-01-06T00:01Z'), [
    '2024-12-23T00:00:00Z',
    '2024-12-30T00:00:00Z',
    '2025-01-06T00:00:00Z',
    '2025-01-13T00:00:00Z',
  ])
  assert.deepEqual(startsIn('Asia/Kolkata', 'month', '2024-01-31T18:29Z', '2024-02-29T18:31Z'), [
    '2024-01-01T00:00:00+05:30',
    '2024-02-01T00:00:00+05:30',
    '2024-03-01T00:00:00+05:30',
    '2024-04-01T00:00:00+05:30',
  ])
})

test('a step may have begun long before the range, under another offset', () => {
  assert.deepEqual(startsIn('Europe/Berlin', 'month', '2024-10-30T12:00Z', '2024-10-31T12:00Z'), [
    '2024-10-01T00:00:00+02:00',
    '2024-11-01T00:00:00+01:00',
  ])
})

test('names of zones, and what is none', () => {
  assert.equal(zoneName('europe/berlin'), 'Europe/Berlin')
  assert.equal(zoneName('UTC'), 'UTC')
  for (const text of ['', '+05:30', 'Europe/Bonn', 'Berlin', ' UTC', 'x'.repeat(10_000)]) {
    assert.equal(zoneName(text), undefined, text.slice(0, 20))
  }
})

/** Minute by minute: a step begins where the local label changes, and labels never go back. */
function naiveStarts(tz: string, step: Step, from: number, to: number): number[] {
  const starts: number[] = []
  let latest = ''
  for (let at = from; at <= to; at += MINUTE_MS) {
    const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(tz)
    const monday = local.toPlainDate().subtract({ days: local.dayOfWeek - 1 })
    const label = {
      minute: String(at).padStart(16, '0'),
      hour: local.toPlainDateTime().toString().slice(0, 13) + (local.minute === 0 ? at : ''),
      day: local.toPlainDate().toString(),
      week: monday.toString(),
      month: local.toPlainDate().toString().slice(0, 7),
    }[step]
    const isNew = step === 'hour' ? isOtherHour(label, latest) : label > latest
    if (isNew) starts.push(at)
    if (isNew || step === 'hour') latest = label
  }
  return starts
}

function isOtherHour(label: string, latest: string): boolean {
  return label.length > 13 || label.slice(0, 13) !== latest.slice(0, 13)
}

/** Ranges of a few days around a change of the clocks, or anywhere. */
const somewhere = fc.record({
  tz: fc.constantFrom(...ZONES),
  at: fc.integer({ min: Date.UTC(1970, 0, 10) / MINUTE_MS, max: Date.UTC(2030, 0) / MINUTE_MS }),
  minutes: fc.integer({ min: 1, max: 4_000 }),
  isAtChange: fc.boolean(),
})

function rangeOf({
  tz,
  at,
  minutes,
  isAtChange,
}: {
  tz: string
  at: number
  minutes: number
  isAtChange: boolean
}) {
  const time = Temporal.Instant.fromEpochMilliseconds(at * MINUTE_MS).toZonedDateTimeISO(tz)
  const change = isAtChange ? time.getTimeZoneTransition('next') : null
  const middle = change === null ? at : Math.floor(change.epochMilliseconds / MINUTE_MS)
  const from = (middle - Math.floor(minutes / 2)) * MINUTE_MS
  return { from, to: from + minutes * MINUTE_MS }
}

test('steps begin where a computation minute by minute sees a new hour, day, week or month', () => {
  fc.assert(
    fc.property(somewhere, fc.constantFrom(...STEPS), (place, step) => {
      fc.pre(place.tz !== 'Africa/Monrovia') // its seconds are rounded, minutes cannot show them
      const range = rangeOf(place)
      const starts = stepStarts(step, zoneOf(place.tz, range), range)
      assert.ok((starts[0] ?? Infinity) <= range.from && (starts[1] ?? 0) > range.from)
      assert.ok((starts.at(-1) ?? 0) >= range.to && (starts.at(-2) ?? Infinity) < range.to)
      const inside = starts.filter((start) => start > range.from && start <= range.to)
      const naive = naiveStarts(place.tz, step, range.from - MINUTE_MS, range.to)
      assert.deepEqual(
        inside,
        naive.filter((start) => start > range.from),
      )
    }),
    runs(150),
  )
})

test('rows of the slices add up to the steps, whatever the zone', () => {
  fc.assert(
    fc.property(
      somewhere,
      fc.constantFrom(...STEPS),
      fc.array(fc.nat(1_000), { minLength: 1, maxLength: 60 }),
      (place, step, offsets) => {
        const range = rangeOf(place)
        const starts = stepStarts(step, zoneOf(place.tz, range), range)
        const [first = 0] = starts
        const length = (starts.at(-1) ?? 0) - first
        const clicks = offsets.map((offset) => first + Math.floor((length - 1) * (offset / 1_000)))
        const at: number[] = []
        const count: number[] = []
        for (const { resolution, from, to } of slicesOfSteps(starts)) {
          for (const click of clicks.toSorted((a, b) => a - b)) {
            if (click < from || click >= to) continue
            at.push(Math.floor(click / UNITS[resolution]) * UNITS[resolution])
            count.push(1)
          }
        }
        const series = { at: Float64Array.from(at), count: Float64Array.from(count) }
        const expected = starts
          .slice(1)
          .map((end, index) => clicks.filter((c) => c >= (starts[index] ?? 0) && c < end).length)
        assert.deepEqual([...countsOfSteps(starts, series)], expected)
      },
    ),
    runs(300),
  )
})
