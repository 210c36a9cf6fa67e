import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countSilent, silenceRanges } from '../../src/query/silence.ts'

const WEEK_MS = 7 * 86_400_000
const HOUR_MS = 3_600_000
const at = (text: string): number => Date.parse(`2024-12-${text}Z`)
const total = (bannerId: number, clicks: number) => ({ bannerId, total: clicks })
const all = (): boolean => true

test('O19: a banner is silent that had 10 clicks in the hour a week ago and has none now', () => {
  const weekAgo = [total(1, 10), total(2, 9), total(3, 5_000), total(4, 10)]
  assert.equal(countSilent(weekAgo, [], all), 3)
  assert.equal(countSilent(weekAgo, [total(1, 1)], all), 2)
  assert.equal(countSilent(weekAgo, [total(1, 1), total(3, 1), total(4, 7)], all), 0)
  assert.equal(countSilent([], [total(1, 1)], all), 0)
})

test('O19: who is paused or archived is meant to be silent', () => {
  assert.equal(
    countSilent([total(1, 10), total(2, 10)], [], (id) => id === 2),
    1,
  )
})

test('O19: the last hour ends where counts are complete, and has the minute that has begun', () => {
  assert.deepEqual(silenceRanges(at('17T12:34:56.789'))?.lastHour, {
    from: at('17T11:34:00'),
    to: at('17T12:35:00'),
  })
})

test('O19: the hour a week ago is of whole quarters, as single minutes may be gone by then', () => {
  for (const [time, until] of [
    ['12:34:56', '12:30:00'],
    ['12:29:59', '12:15:00'],
    ['12:00:00', '12:00:00'],
  ]) {
    const weekAgo = silenceRanges(at(`17T${time}`))?.weekAgo
    assert.deepEqual(weekAgo, { from: at(`10T${until}`) - HOUR_MS, to: at(`10T${until}`) })
  }
})

test('O19: before anything is complete nobody is silent', () => {
  assert.equal(silenceRanges(0), undefined)
  assert.equal(silenceRanges(WEEK_MS), undefined)
})
