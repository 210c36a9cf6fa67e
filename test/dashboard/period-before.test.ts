import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Zoned from 'temporal-polyfill/fns/ZonedDateTime'
import {
  rangeBefore,
  stepsBefore,
  type SteppedRange,
} from '../../web/dashboard/model/period-before.ts'
import { timestamp, zoned } from '../../web/dashboard/model/period.ts'

const BERLIN = 'Europe/Berlin'
const NEW_YORK = 'America/New_York'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Steps of as much time as there is from each of these instants to the next one. */
function stepped(
  parts: Pick<SteppedRange, 'step' | 'tz'> & Partial<Pick<SteppedRange, 'period'>>,
  ...instants: readonly string[]
): SteppedRange {
  const edges = instants.map((instant) => Date.parse(instant))
  const [from = 0, to = 0] = [edges[0], edges.at(-1)]
  return { period: { kind: 'free', from, to }, ...parts, from, to, starts: edges.slice(0, -1) }
}

function hours(from: string, to: string): readonly string[] {
  const count = (Date.parse(to) - Date.parse(from)) / HOUR_MS
  return Array.from({ length: count + 1 }, (_, hour) =>
    new Date(Date.parse(from) + hour * HOUR_MS).toISOString(),
  )
}

function written(shown: SteppedRange, now = Infinity): readonly string[] {
  const { from, to, until } = rangeBefore(shown, now)
  return [from, to, until].map((instant) => timestamp(instant, shown.tz))
}

test('D11: before a month is a month, and before some days are as many days', () => {
  const march = stepped({ step: 'month', tz: 'UTC' }, '2026-03-01T00:00Z', '2026-04-01T00:00Z')
  assert.deepEqual(written(march), [
    '2026-02-01T00:00:00Z',
    '2026-03-01T00:00:00Z',
    '2026-03-01T00:00:00Z',
  ])
  const days = [1, 2, 3, 4, 5, 6, 7, 8].map(
    (day) => `2026-11-0${day}T00:00-0${day === 1 ? 4 : 5}:00`,
  )
  assert.deepEqual(written(stepped({ step: 'day', tz: NEW_YORK }, ...days)), [
    '2026-10-25T00:00:00-04:00',
    '2026-11-01T00:00:00-04:00',
    '2026-11-01T00:00:00-04:00',
  ])
})

test('D11: what runs is compared with as much of the period before', () => {
  const today = stepped(
    { step: 'hour', tz: 'Asia/Kolkata', period: { kind: 'preset', preset: 'today' } },
    ...hours('2026-03-05T00:00+05:30', '2026-03-05T08:00+05:30'),
  )
  const [from, to, until] = written(today, Date.parse('2026-03-05T07:31:10+05:30'))
  assert.equal(from, '2026-03-04T00:00:00+05:30')
  assert.equal(to, '2026-03-04T08:00:00+05:30')
  assert.equal(until, '2026-03-04T07:31:00+05:30')
  const week = stepped(
    { step: 'week', tz: 'UTC', period: { kind: 'preset', preset: '30days' } },
    '2026-03-02T00:00Z',
    '2026-03-09T00:00Z',
    '2026-03-16T00:00Z',
  )
  assert.deepEqual(written(week, Date.parse('2026-03-11T12:00:40Z')), [
    '2026-02-16T00:00:00Z',
    '2026-03-02T00:00:00Z',
    '2026-02-25T12:01:00Z',
  ])
})

test('D11: an hour that runs has no minute in common with the hour before', () => {
  const now = Date.parse('2026-03-05T07:31:10Z')
  const from = Date.parse('2026-03-05T06:31Z')
  const minutes = Array.from({ length: 62 }, (_, minute) =>
    new Date(from + minute * MINUTE_MS).toISOString(),
  )
  const hour = stepped(
    { step: 'minute', tz: 'UTC', period: { kind: 'preset', preset: 'hour' } },
    ...minutes,
  )
  assert.deepEqual(written(hour, now), [
    '2026-03-05T05:30:00Z',
    '2026-03-05T06:31:00Z',
    '2026-03-05T06:30:00Z',
  ])
})

test('D11: hours are compared with the same hours of other days, also when clocks are changed', () => {
  // Steps of the period before, as an array of their instants.
  const pairs = (shown: SteppedRange, before: readonly string[]) => {
    const starts = before.map((instant) => Date.parse(instant))
    return stepsBefore(shown, starts).map((index, step) => [
      timestamp(shown.starts[step] ?? 0, BERLIN).slice(11, 16),
      index === undefined ? '–' : timestamp(starts[index] ?? 0, BERLIN).slice(11, 16),
    ])
  }
  const longDay = stepped(
    { step: 'hour', tz: BERLIN },
    ...hours('2025-10-26T00:00+02:00', '2025-10-27T00:00+01:00'),
  )
  const dayBefore = hours('2025-10-25T00:00+02:00', '2025-10-25T23:00+02:00')
  assert.deepEqual(pairs(longDay, dayBefore).slice(1, 5), [
    ['01:00', '01:00'],
    ['02:00', '02:00'],
    ['02:00', '–'],
    ['03:00', '03:00'],
  ])
  const dayAfterShortOne = stepped(
    { step: 'hour', tz: BERLIN },
    ...hours('2026-03-30T00:00+02:00', '2026-03-31T00:00+02:00'),
  )
  const shortDay = hours('2026-03-29T00:00+01:00', '2026-03-29T23:00+02:00')
  assert.deepEqual(pairs(dayAfterShortOne, shortDay).slice(1, 5), [
    ['01:00', '01:00'],
    ['02:00', '–'],
    ['03:00', '03:00'],
    ['04:00', '04:00'],
  ])
  // Both of these have two o'clock twice, 52 weeks apart.
  const year = stepped(
    { step: 'hour', tz: BERLIN },
    ...hours('2025-10-26T00:00+02:00', '2026-10-25T00:00+02:00'),
  )
  const yearBefore = hours('2024-10-27T00:00+02:00', '2025-10-25T23:00+02:00')
  assert.deepEqual(pairs(year, yearBefore).slice(1, 5), [
    ['01:00', '01:00'],
    ['02:00', '02:00'],
    ['02:00', '–'],
    ['03:00', '03:00'],
  ])
})

test('D11: by minute, each is compared with its own one, wherever and whenever clocks change', () => {
  for (const [tz, day] of [
    ['America/St_Johns', '2006-10-29T00:00-02:30'], // back at a minute past midnight
    ['Australia/Lord_Howe', '2025-10-05T00:00+10:30'], // by half an hour
    ['America/Havana', '2025-11-02T00:00-04:00'], // midnight comes twice
    ['Pacific/Apia', '2011-12-31T00:00+14:00'], // the day before never was
  ] as const) {
    for (const [name, days] of [
      ['the day', 0],
      ['the day after', 1],
    ] as const) {
      const noon = Date.parse(day) + 12 * HOUR_MS + days * 24 * HOUR_MS
      const { from, to } = rangeBefore(dayOf(noon, tz), Infinity)
      const shown = dayOf(noon, tz)
      const starts = minutesOf(from, to)
      const alone = shown.starts.flatMap((start) =>
        stepsBefore({ ...shown, starts: [start] }, starts),
      )
      assert.deepEqual(stepsBefore(shown, starts), alone, `${tz}: ${name}`)
      assert.ok(alone.some((index) => index !== undefined) || tz === 'Pacific/Apia')
    }
  }
})

/** The day that contains an instant, by minute. */
function dayOf(instant: number, tz: string): SteppedRange {
  const day = Zoned.startOfDay(zoned(instant, tz))
  const [from, to] = [day, Zoned.addDays(day, 1)].map(({ epochMilliseconds }) => epochMilliseconds)
  if (from === undefined || to === undefined) throw new Error('no day')
  return {
    period: { kind: 'free', from, to },
    step: 'minute',
    tz,
    from,
    to,
    starts: minutesOf(from, to),
  }
}

function minutesOf(from: number, to: number): readonly number[] {
  return Array.from({ length: (to - from) / MINUTE_MS }, (_, minute) => from + minute * MINUTE_MS)
}
