import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { ARCHIVED, inEachShape, jsonOf, PAUSED, type Json, type TestApp } from '../support/app.ts'
import { insertPast, type PastCount } from '../support/past.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const STEPS = ['minute', 'hour', 'day', 'week', 'month'] as const
const ZONES = ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu'] as const
/** Days on which one of the zones changes its clocks: Berlin twice, Lord Howe twice. */
const CHANGES = ['2024-03-31', '2024-10-27', '2024-04-06', '2024-10-05'] as const
/** Neither by id nor by clicks; 9 has none. */
const BANNERS = [42, 9, PAUSED, 7, ARCHIVED] as const

interface Answer {
  readonly tsFrom: string
  readonly tsTo: string
  readonly step: string
  readonly tz: string
  readonly total: number
  readonly timestamps: readonly string[]
  readonly banners: readonly {
    readonly bannerID: number
    readonly name: string
    readonly total: number
    readonly peak?: { readonly timestamp: string; readonly count: number } | null
    readonly counts: readonly number[]
  }[]
  readonly completeUntil: string
  readonly partial: boolean
}

interface OfOne extends Omit<Answer, 'banners' | 'timestamps'> {
  readonly name: string
  readonly counts: readonly { readonly timestamp: string; readonly count: number }[]
}

/** Around each change of clocks, and the days on which peaks and names are looked at. */
const PAST: readonly PastCount[] = [
  ...CHANGES.flatMap((day, index) =>
    fc
      .sample(
        fc.tuple(
          fc.constantFrom(42, PAUSED, 7, ARCHIVED),
          fc.nat(3 * 1_440 - 1),
          fc.integer({ min: 1, max: 9 }),
        ),
        { numRuns: 250, seed: index },
      )
      .map(([bannerId, minute, count]): PastCount => {
        const at = Date.parse(`${day}T00:00:00Z`) - DAY_MS + minute * MINUTE_MS
        return [bannerId, new Date(at).toISOString(), count]
      }),
  ),
  [1, '2024-12-10T12:56:00Z', 4],
  [1, '2024-12-10T12:58:00Z', 4],
  [1, '2024-12-10T12:59:00Z', 3],
  [1, '2024-12-10T13:30:00Z', 9],
  [2, '2024-12-10T12:57:00Z', 1],
]
const HOUR = { tsFrom: '2024-12-10T12:00:00Z', tsTo: '2024-12-10T13:00:00Z' }

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0)
}

/** What the answer says of itself, whatever was asked. */
function assertConsistent({ timestamps, banners, total, tsFrom }: Answer, what = ''): void {
  assert.equal(timestamps[0], tsFrom, what)
  for (const { counts, total: ofBanner } of banners) {
    assert.equal(counts.length, timestamps.length, what)
    assert.equal(sum(counts), ofBanner, what)
  }
  assert.equal(sum(banners.map((banner) => banner.total)), total, what)
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await insertPast(app, PAST)
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  function get(parameters: Record<string, string>, path = '/series', method = 'GET') {
    const query = new URLSearchParams(parameters).toString()
    return fetch(`${app.origin}${path}?${query}`, { method })
  }

  async function ask(parameters: Record<string, string>): Promise<Answer> {
    const answer = await get(parameters)
    const json = await jsonOf(answer)
    assert.equal(answer.status, 200, JSON.stringify(json))
    return json as unknown as Answer // GET /series of the contract
  }

  /** fetch refuses a body with GET. */
  function askWithBody(body: string, query = ''): Promise<{ status: number; json: Json }> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-length': Buffer.byteLength(body) }
      const sent = httpRequest(`${app.origin}/series${query}`, { headers }, (answer) => {
        let text = ''
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, json: JSON.parse(text) as Json }),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  async function askOne(id: number, parameters: Record<string, string>): Promise<OfOne> {
    const answer = await jsonOf(await get({ ...parameters, fill: 'zero' }, `/stats/${id}`))
    return answer as unknown as OfOne // GET /stats/:bannerId of the contract
  }

  for (const tz of ZONES) {
    test(`S1: each banner has what its own series has, in the order asked for, in ${tz}`, async () => {
      for (const day of CHANGES) {
        const middle = Date.parse(`${day}T12:34:00Z`)
        const range = {
          tsFrom: String(middle - 1.2 * DAY_MS),
          tsTo: String(middle + 1.1 * DAY_MS),
          tz,
        }
        for (const step of STEPS) {
          const what = `${step} around ${day}`
          const asked = { ...range, step }
          const answer = await ask({ ...asked, banners: BANNERS.join(',') })
          assertConsistent(answer, what)
          assert.ok(answer.total > 0, what)
          assert.deepEqual(
            answer.banners.map(({ bannerID }) => bannerID),
            BANNERS,
          )
          for (const banner of answer.banners) {
            const one = await askOne(banner.bannerID, asked)
            for (const member of ['tsFrom', 'tsTo', 'step', 'tz', 'partial'] as const) {
              assert.equal(answer[member], one[member], `${member} of ${what}`)
            }
            assert.deepEqual([banner.name, banner.total], [one.name, one.total], what)
            assert.deepEqual(
              answer.timestamps,
              one.counts.map(({ timestamp }) => timestamp),
              what,
            )
            assert.deepEqual(
              banner.counts,
              one.counts.map(({ count }) => count),
              what,
            )
          }
        }
      }
    })
  }

  test('S1: the order is the one asked for, whatever ids and clicks say', async () => {
    for (const ids of [
      [1, 2, 9],
      [9, 2, 1],
      [2, 9, 1],
      [ARCHIVED, 1, PAUSED, 42],
    ]) {
      const { banners } = await ask({ ...HOUR, banners: ids.join(','), step: 'hour' })
      const expected: Record<number, [string, number]> = {
        1: ['Banner 1', 11],
        2: ['Banner 2', 1],
        9: ['Banner 9', 0],
        42: ['Banner 42', 0],
        [PAUSED]: ['Paused', 0],
        [ARCHIVED]: ['Archived', 0],
      }
      assert.deepEqual(
        banners,
        ids.map((id) => {
          const [name = '', total = 0] = expected[id] ?? []
          return { bannerID: id, name, total, counts: [total] }
        }),
      )
    }
  })

  test('S1: without a range, step and zone it is the last hour by the minute in UTC, and partial', async () => {
    await fetch(`${app.origin}/counter/3`)
    await app.counted()
    // Both are of the same hour, unless a minute ends between them.
    for (let attempt = 0; ; attempt += 1) {
      const answer = await ask({ banners: '3,4' })
      const one = await askOne(3, {})
      if (answer.tsTo !== one.tsTo && attempt < 3) continue
      assertConsistent(answer)
      assert.deepEqual([answer.tsFrom, answer.tsTo], [one.tsFrom, one.tsTo])
      assert.deepEqual([answer.step, answer.tz, answer.partial], ['minute', 'UTC', true])
      assert.deepEqual([answer.total, answer.banners[1]?.total], [1, 0])
      assert.ok(answer.timestamps.length >= 60 && answer.timestamps.length <= 61)
      assert.ok(Date.parse(answer.completeUntil) > Date.now() - 60_000)
      break
    }
    const { tsFrom, tsTo } = await ask({ banners: '3', tsTo: '2024-12-10T13:00:30Z' })
    assert.deepEqual([tsFrom, tsTo], ['2024-12-10T12:00:00Z', '2024-12-10T13:01:00Z'])
  })

  test('S1: the parameters may stand in a JSON body, in the query, or in both', async () => {
    const asked = { ...HOUR, step: 'hour', tz: 'europe/berlin', peak: 'true' }
    const { completeUntil, ...expected } = await ask({ ...asked, banners: '2,1' })
    assert.ok(completeUntil > expected.tsTo)
    assert.equal(expected.tz, 'Europe/Berlin')
    for (const [body, query] of [
      [{ ...asked, banners: '2,1' }],
      [{ ...asked, banners: '2,1', peak: true }],
      [{ ...asked, banners: '2,1', tsFrom: Date.parse(HOUR.tsFrom) / 1_000 }],
      [asked, '?banners=2,1'],
      [{ banners: '2,1' }, `?${new URLSearchParams(asked).toString()}`],
    ] as const) {
      const { status, json } = await askWithBody(JSON.stringify(body), query)
      assert.equal(status, 200, JSON.stringify(json))
      const { completeUntil: _, ...answer } = json
      assert.deepEqual(answer, expected)
    }
    const refused = await askWithBody('{"banners":"1"}', '?banners=1')
    assert.equal(refused.status, 400)
    assert.match(String(refused.json['detail']), /banners must not stand in query and body/)
  })

  test('S1: nothing is in it but what is documented', async () => {
    const { completeUntil, ...answer } = await ask({
      tsFrom: '2024-12-10T12:55:30Z',
      tsTo: '2024-12-10T12:58:01Z',
      banners: '2,1',
    })
    assert.match(completeUntil, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.deepEqual(answer, {
      tsFrom: '2024-12-10T12:55:00Z',
      tsTo: '2024-12-10T12:59:00Z',
      step: 'minute',
      tz: 'UTC',
      total: 9,
      timestamps: ['55', '56', '57', '58'].map((minute) => `2024-12-10T12:${minute}:00Z`),
      banners: [
        { bannerID: 2, name: 'Banner 2', total: 1, counts: [0, 0, 1, 0] },
        { bannerID: 1, name: 'Banner 1', total: 8, counts: [0, 4, 0, 4] },
      ],
      partial: false,
    })
  })

  test('S2: the peak is the earliest of the busiest minutes, whatever the step and the zone', async () => {
    for (const step of STEPS) {
      const { banners } = await ask({ ...HOUR, banners: '1,9,2', step, peak: 'true' })
      const ofHour = step === 'minute' || step === 'hour'
      assert.deepEqual(
        banners.map(({ peak }) => peak),
        [
          // All minutes of the steps are looked at, not only those of the range.
          ofHour
            ? { timestamp: '2024-12-10T12:56:00Z', count: 4 }
            : { timestamp: '2024-12-10T13:30:00Z', count: 9 },
          null,
          { timestamp: '2024-12-10T12:57:00Z', count: 1 },
        ],
        step,
      )
    }
    const inKathmandu = await ask({
      ...HOUR,
      banners: '1',
      step: 'hour',
      tz: 'Asia/Kathmandu',
      peak: 'true',
    })
    assert.deepEqual(
      [inKathmandu.tsFrom, inKathmandu.banners[0]?.peak],
      ['2024-12-10T17:00:00+05:45', { timestamp: '2024-12-10T18:41:00+05:45', count: 4 }],
    )
    for (const parameters of [{}, { peak: 'false' }]) {
      const without = await ask({ ...HOUR, banners: '1,9', ...parameters })
      for (const banner of without.banners) assert.ok(!('peak' in banner))
    }
  })

  test('S2: asking for the peak changes nothing else, and it is the maximum of the minutes', async () => {
    for (const tz of ZONES) {
      for (const day of CHANGES) {
        const noon = Date.parse(`${day}T12:00:00Z`)
        const range = { tsFrom: String(noon - DAY_MS), tsTo: String(noon + DAY_MS), tz }
        for (const step of ['hour', 'day'] as const) {
          const asked = { ...range, step, banners: BANNERS.join(',') }
          const without = await ask(asked)
          const minutes = await ask({
            ...asked,
            step: 'minute',
            tsFrom: without.tsFrom,
            tsTo: without.tsTo,
          })
          const { completeUntil, ...answer } = await ask({ ...asked, peak: 'true' })
          assert.ok(completeUntil >= without.completeUntil)
          const peaks = minutes.banners.map(({ counts }) => {
            const count = Math.max(...counts)
            const timestamp = minutes.timestamps[counts.indexOf(count)]
            return count === 0 ? null : { timestamp, count }
          })
          const { completeUntil: _, ...rest } = without
          assert.deepEqual(answer, {
            ...rest,
            banners: rest.banners.map((banner, index) => ({ ...banner, peak: peaks[index] })),
          })
        }
      }
    }
  })

  test('S1: a month by the minute is whole, also where its text is sent in pieces', async () => {
    const from = Date.parse('2024-10-01T00:00:00Z')
    const month = { tsFrom: String(from), tsTo: '2024-10-31T00:00:00Z', banners: '7,42' }
    const answer = await get(month)
    const large = (await jsonOf(answer)) as unknown as Answer // GET /series of the contract
    assertConsistent(large)
    assert.ok(large.total > 0)
    assert.equal(answer.headers.get('tallymark-total'), String(large.total))
    assert.deepEqual(
      large.timestamps.map((timestamp) => Date.parse(timestamp)),
      Array.from({ length: 30 * 1_440 }, (_, minute) => from + minute * MINUTE_MS),
    )
    for (const steps of [1, 499, 500, 999, 1_000, 1_001, 2_000]) {
      const tsTo = String(from + 25 * DAY_MS + steps * MINUTE_MS)
      const some = await ask({ ...month, tsFrom: String(from + 25 * DAY_MS), tsTo })
      assertConsistent(some)
      assert.equal(some.timestamps.length, steps)
    }
  })

  test('S1: HEAD has the headers of GET, which say what the body says', async () => {
    const small = { ...HOUR, banners: '1,2' }
    const large = { ...small, tsFrom: '2024-11-10T12:00:00Z', tsTo: '2024-12-10T13:00:00Z' }
    for (const asked of [small, large]) {
      const answer = await get(asked)
      const { total, completeUntil, partial } = await jsonOf(answer)
      const head = await get(asked, '/series', 'HEAD')
      assert.equal(head.status, 200)
      assert.equal(await head.text(), '')
      for (const { headers } of [answer, head]) {
        assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
        assert.equal(headers.get('cache-control'), 'no-store')
        assert.equal(headers.get('tallymark-total'), String(total))
        assert.equal(headers.get('tallymark-partial'), String(partial))
        assert.equal(headers.get('access-control-allow-origin'), null)
      }
      const { headers } = answer
      assert.equal(headers.get('tallymark-complete-until'), completeUntil)
      assert.ok((head.headers.get('tallymark-complete-until') ?? '') >= String(completeUntil))
    }
    const unasked = await fetch(`${app.origin}/series?banners=1`, {
      headers: { accept: 'text/csv' },
    })
    assert.match(unasked.headers.get('content-type') ?? '', /^application\/json/)
  })

  test('I19: while clicks are counted every answer agrees with itself, and none is taken back', async () => {
    const ids = [6, 5, 8]
    const asked = { banners: ids.join(',') }
    const until = performance.now() + 1_000
    let clicks = 0
    const clicking = Promise.all(
      ids.map(async (id) => {
        while (performance.now() < until) {
          const answer = await fetch(`${app.origin}/counter/${id}`, { method: 'POST' })
          assert.equal(answer.status, 200)
          clicks += 1
        }
      }),
    )
    let last: readonly number[] = [0, 0, 0]
    let answers = 0
    for (; performance.now() < until; answers += 1) {
      const answer = await ask({ ...asked, peak: String(answers % 2 === 0) })
      assertConsistent(answer)
      assert.equal(answer.partial, true)
      const totals = answer.banners.map(({ total }) => total)
      for (const [index, total] of totals.entries()) assert.ok(total >= (last[index] ?? 0))
      for (const { counts, peak } of answer.banners) {
        if (peak !== undefined) assert.equal(peak?.count ?? 0, Math.max(...counts))
      }
      last = totals
    }
    await clicking
    await app.counted()
    assert.ok(answers > 5, `${answers} answers`)
    assert.equal((await ask(asked)).total, clicks)
  })
})
