import assert from 'node:assert/strict'
import { test } from 'node:test'
import { averageOf } from '../../web/dashboard/banner/average.ts'
import { changeOf } from '../../web/dashboard/banner/banner-edits.ts'
import { tickText } from '../../web/dashboard/banner/tick-text.ts'
import { Language } from '../../web/dashboard/text/language.ts'
import { stepText } from '../../web/dashboard/text/step-text.ts'

const ENGLISH = new Language('en', ['en-GB'])
const BERLIN = 'Europe/Berlin'

test('D11: an hour that a clock shows twice is told with its offset, and others without', () => {
  const texts = ['00:30', '00:59', '01:00', '01:30', '02:00'].map(
    (time) => stepText(ENGLISH, Date.parse(`2025-10-26T${time}Z`), 'minute', BERLIN).split(', ')[1],
  )
  assert.deepEqual(texts, ['02:30 GMT+2', '02:59 GMT+2', '02:00 GMT+1', '02:30 GMT+1', '03:00'])
  const day = stepText(ENGLISH, Date.parse('2025-10-25T22:00Z'), 'day', BERLIN)
  assert.equal(day, 'Sun, 26 Oct 2025')
})

test('D11: days are labelled as days, also after one of 23 hours', () => {
  const days = ['2026-03-29T00:00+01:00', '2026-03-30T00:00+02:00', '2026-03-31T00:00+02:00']
  const ticks = days.map((day) => Date.parse(day) / 1_000)
  for (const step of ['day', 'hour'] as const) {
    const texts = ticks.map((_, at) => tickText(ticks, at, { language: ENGLISH, step, tz: BERLIN }))
    assert.deepEqual(texts, ['29 Mar', '30 Mar', '31 Mar'], step)
  }
  const hours = [0, 12, 24].map((hour) => (ticks[1] ?? 0) + hour * 3_600)
  assert.deepEqual(
    hours.map((_, at) => tickText(hours, at, { language: ENGLISH, step: 'hour', tz: BERLIN })),
    ['00:00\n30 Mar', '12:00', '00:00\n31 Mar'],
  )
})

test('D11: the average is that of the steps that are over', () => {
  const counts = [4, 8, 1, 0]
  assert.equal(averageOf({ counts, openFrom: 2 }), 6)
  assert.equal(averageOf({ counts, openFrom: 0 }), undefined)
})

test('D12: what is saved is what was changed', () => {
  const banner = { id: 1, name: 'Sale', url: 'https://shop.example/', status: 'active' } as const
  assert.deepEqual(changeOf(banner, {}), {})
  assert.deepEqual(changeOf(banner, { name: 'Sale', url: '' }), { url: null })
  assert.deepEqual(changeOf({ ...banner, url: null }, { name: 'New', url: '' }), { name: 'New' })
})
