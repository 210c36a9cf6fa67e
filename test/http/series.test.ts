import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { insertPast } from '../support/past.ts'

const MARCH = { tsFrom: '2024-03-30T23:30:00+01:00', tsTo: '2024-04-01T00:30:00+02:00' }

/** `counts` as [timestamp, count]. */
function countsOf(answer: Record<string, unknown>): [string, number][] {
  const counts = answer['counts'] as { timestamp: string; bannerID: number; count: number }[]
  return counts.map(({ timestamp, bannerID, count }) => {
    assert.equal(bannerID, 42)
    return [timestamp, count]
  })
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await insertPast(app, [
      [42, '2024-03-30T22:59:00Z', 1], // 30 March, 23:59 in Berlin
      [42, '2024-03-30T23:00:00Z', 2], // 31 March, the day of 23 hours
      [42, '2024-03-31T00:59:00Z', 4], // 01:59, the last minute before the clocks change
      [42, '2024-03-31T01:00:00Z', 8], // 03:00
      [42, '2024-03-31T21:59:00Z', 16], // 23:59
      [42, '2024-03-31T22:00:00Z', 32], // 1 April, a Monday
      [7, '2024-03-31T12:00:00Z', 100],
      [8, '2024-03-31T12:00:00Z', 100],
      [9, '2024-03-31T12:00:00Z', 5],
    ])
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  async function ask(parameters: Record<string, string>, path = '/stats/42') {
    const answer = await fetch(`${app.origin}${path}?${new URLSearchParams(parameters).toString()}`)
    const json = await jsonOf(answer)
    assert.equal(answer.status, 200, JSON.stringify(json))
    return json
  }

  test('days of a zone, the short one among them', async () => {
    const answer = await ask({ ...MARCH, step: 'day', tz: 'Europe/Berlin' })
    assert.deepEqual(countsOf(answer), [
      ['2024-03-30T00:00:00+01:00', 1],
      ['2024-03-31T00:00:00+01:00', 30],
      ['2024-04-01T00:00:00+02:00', 32],
    ])
    assert.equal(answer['total'], 63)
    assert.equal(answer['tsFrom'], '2024-03-30T00:00:00+01:00')
    assert.equal(answer['tsTo'], '2024-04-02T00:00:00+02:00')
    assert.equal(answer['step'], 'day')
    assert.equal(answer['tz'], 'Europe/Berlin')
  })

  test('hours, with those without clicks where they are asked for', async () => {
    const range = { tsFrom: '2024-03-31T01:30:00+01:00', tsTo: '2024-03-31T05:00:00+02:00' }
    const asked = { ...range, step: 'hour', tz: 'europe/berlin' }
    const hours = [
      ['2024-03-31T01:00:00+01:00', 4],
      ['2024-03-31T03:00:00+02:00', 8],
    ] as const
    assert.deepEqual(countsOf(await ask(asked)), hours)
    assert.deepEqual(countsOf(await ask({ ...asked, fill: 'zero' })), [
      ...hours,
      ['2024-03-31T04:00:00+02:00', 0],
    ])
  })

  test('weeks begin on Monday, months on the first; every step adds up to the same', async () => {
    const all = { tsFrom: '2024-03-01T00:00:00Z', tsTo: '2024-05-01T00:00:00Z' }
    for (const tz of ['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns']) {
      for (const step of ['hour', 'day', 'week', 'month']) {
        const answer = await ask({ ...all, step, tz })
        assert.equal(answer['total'], 63, `${tz} ${step}`)
        const sum = countsOf(answer).reduce((total, [, count]) => total + count, 0)
        assert.equal(sum, 63, `${tz} ${step}`)
      }
    }
    assert.deepEqual(countsOf(await ask({ ...all, step: 'week' })), [['2024-03-25T00:00:00Z', 63]])
    assert.deepEqual(countsOf(await ask({ ...all, step: 'month', tz: 'Europe/Berlin' })), [
      ['2024-03-01T00:00:00+01:00', 31],
      ['2024-04-01T00:00:00+02:00', 32],
    ])
  })

  test('parameters of a series may stand in the body too', async () => {
    const body = JSON.stringify({ ...MARCH, step: 'month', tz: 'Europe/Berlin', fill: 'zero' })
    const answer = await fetch(`${app.origin}/stats/42`, { method: 'POST', body })
    assert.deepEqual(countsOf(await jsonOf(answer)), [
      ['2024-03-01T00:00:00+01:00', 31],
      ['2024-04-01T00:00:00+02:00', 32],
    ])
  })

  test('top lists some banners; the total is of all', async () => {
    const range = { tsFrom: '2024-03-31T00:00:00Z', tsTo: '2024-04-01T00:00:00Z' }
    const all = await ask(range, '/stats')
    const two = await ask({ ...range, top: '2', tz: 'Asia/Kolkata' }, '/stats')
    assert.equal(all['total'], 265)
    assert.equal(two['total'], 265)
    assert.deepEqual(two['banners'], [
      { bannerID: 7, name: 'Banner 7', total: 100 },
      { bannerID: 8, name: 'Banner 8', total: 100 },
    ])
    assert.equal(two['tsFrom'], '2024-03-31T05:30:00+05:30')
    assert.equal((all['banners'] as unknown[]).length, 4)
  })
})
