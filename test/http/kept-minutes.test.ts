import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inEachShape, jsonOf, type Json, type TestApp } from '../support/app.ts'
import { insertPast } from '../support/past.ts'

const DAY_MS = 86_400_000
const BOUNDARY_TIMEOUT_MS = 30_000
/** Long given up. 15 minutes from 12:45 on have 4, those from 13:00 on have 6. */
const PAST = { tsFrom: '2024-12-10T12:50:00Z', tsTo: '2024-12-10T13:10:00Z' }

function secondsOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`
}

inEachShape((start) => {
  let app: TestApp
  let minutesFrom: string
  before(async () => {
    app = await start({ RETENTION_MINUTES_DAYS: '1' })
    await insertPast(app, [
      [42, '2024-12-10T12:50:00Z', 1],
      [42, '2024-12-10T12:57:00Z', 3],
      [42, '2024-12-10T13:09:00Z', 5],
      [42, '2024-12-10T13:14:00Z', 1],
      [7, '2024-12-10T12:58:00Z', 2],
    ])
    minutesFrom = await untilKept()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  const ask = (path: string, query: Record<string, string>): Promise<Response> =>
    fetch(`${app.origin}${path}?${new URLSearchParams(query).toString()}`)
  const answer = async (path: string, query: Record<string, string>): Promise<Json> =>
    jsonOf(await ask(path, query))

  /** The first look at what is old is taken with the start. */
  async function untilKept(): Promise<string> {
    const deadline = performance.now() + BOUNDARY_TIMEOUT_MS
    for (;;) {
      const { minutesFrom: found } = await answer('/stats', { tsFrom: '0', tsTo: '60' })
      if (typeof found === 'string') return found
      assert.ok(performance.now() < deadline, 'no minutes are given up')
      await pause(10)
    }
  }

  test('I20: minutes are kept from the beginning of a UTC day on, and at least the whole day before is', () => {
    const at = Date.parse(minutesFrom)
    assert.equal(secondsOf(at), minutesFrom)
    assert.equal(at % DAY_MS, 0)
    assert.ok(at <= Date.now() - DAY_MS && at > Date.now() - 3 * DAY_MS, minutesFrom)
  })

  test('I20: a range that begins before says so, in every answer and every format', async () => {
    for (const query of [
      PAST,
      { tsFrom: '2024-01-01T00:00:00Z', tsTo: secondsOf(Date.now()), step: 'month' },
      { tsFrom: secondsOf(Date.parse(minutesFrom) - 1_000), tsTo: minutesFrom },
    ]) {
      const { step: _, ...range } = { step: '', ...query }
      for (const [path, parameters] of [
        ['/stats/42', query],
        ['/stats', range],
        ['/series', { ...query, banners: '42,7' }],
      ] as const) {
        const found = await ask(path, parameters)
        assert.equal(found.headers.get('tallymark-minutes-from'), minutesFrom, path)
        assert.equal((await jsonOf(found))['minutesFrom'], minutesFrom, path)
      }
      for (const format of ['csv', 'ndjson']) {
        const found = await ask('/stats/42', { ...query, format })
        assert.equal(found.headers.get('tallymark-minutes-from'), minutesFrom, format)
      }
    }
  })

  test('I20: a range of minutes that are kept says nothing of it', async () => {
    const query = { tsFrom: minutesFrom, tsTo: secondsOf(Date.now()) }
    for (const [path, parameters] of [
      ['/stats/42', query],
      ['/stats', query],
      ['/series', { ...query, banners: '42' }],
    ] as const) {
      const found = await ask(path, parameters)
      assert.equal(found.headers.get('tallymark-minutes-from'), null, path)
      assert.equal('minutesFrom' in (await jsonOf(found)), false, path)
    }
  })

  test('it is written in the words of the zone, also far from the range', async () => {
    const { minutesFrom: found } = await answer('/stats/42', { ...PAST, tz: 'Asia/Kathmandu' })
    assert.match(String(found), /T05:45:00\+05:45$/)
    assert.equal(Date.parse(String(found)), Date.parse(minutesFrom))
    // In winter, from the side of summer: the offset is that of its own day.
    const { minutesFrom: berlin } = await answer('/stats/42', {
      tsFrom: '2024-07-01T00:00:00Z',
      tsTo: '2024-07-02T00:00:00Z',
      tz: 'Europe/Berlin',
    })
    const hour = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit' })
    assert.equal(String(berlin).slice(11, 13), hour.format(Date.parse(minutesFrom)))
  })

  test('I20: a quarter counts at its first minute, and any split of a range adds up', async () => {
    const { total, counts } = await answer('/stats/42', PAST)
    // That of 12:45 began before the range, that of 13:00 in it.
    assert.deepEqual(counts, [{ timestamp: '2024-12-10T13:00:00Z', bannerID: 42, count: 6 }])
    assert.equal(total, 6)
    const whole = { tsFrom: '2024-12-10T12:45:00Z', tsTo: '2024-12-10T13:15:00Z' }
    assert.equal((await answer('/stats/42', whole))['total'], 10)
    for (const split of ['2024-12-10T12:46:00Z', '2024-12-10T12:57:00Z', '2024-12-10T13:01:00Z']) {
      const first = await answer('/stats/42', { ...whole, tsTo: split })
      const second = await answer('/stats/42', { ...whole, tsFrom: split })
      assert.equal(Number(first['total']) + Number(second['total']), 10, split)
    }
    const totals = await answer('/stats', whole)
    assert.equal(totals['total'], 12)
    const series = await answer('/series', { ...whole, banners: '7,42' })
    assert.equal(series['total'], 12)
  })

  test('I20: the busiest minute is one of those that are kept', async () => {
    const at = Date.parse(minutesFrom)
    await insertPast(app, [
      [42, secondsOf(at - 3_600_000), 9],
      [42, secondsOf(at + 420_000), 3],
      [42, secondsOf(at + 480_000), 2],
    ])
    const peakOf = async (from: number, to: number): Promise<unknown> => {
      const range = { tsFrom: secondsOf(from), tsTo: secondsOf(to), step: 'day' }
      const { banners } = await answer('/series', { ...range, banners: '42', peak: 'true' })
      return (banners as Json[])[0]?.['peak'] // of the contract
    }
    assert.deepEqual(await peakOf(at - DAY_MS, at + DAY_MS), {
      timestamp: secondsOf(at + 420_000),
      count: 3,
    })
    assert.equal(await peakOf(at - DAY_MS, at), null)
  })
})
