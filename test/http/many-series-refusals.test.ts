// What `GET /series` refuses: status, code, and the sentence that says what to change.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inEachShape, jsonOf, UNKNOWN, type Json, type TestApp } from '../support/app.ts'
import { BIG, checkRefused, WRONG_IDS, type Refused } from '../support/refused.ts'

const HOUR = { tsFrom: '2024-12-10T12:00:00Z', tsTo: '2024-12-10T13:00:00Z' }
const HOUR_QUERY = new URLSearchParams(HOUR).toString()

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  async function ask(query: string, { origin } = app): Promise<{ status: number; json: Json }> {
    const answer = await fetch(`${origin}/series?${query}`)
    return { status: answer.status, json: await jsonOf(answer) }
  }

  test('S3: an unknown banner is 404, and the first of them is named', async () => {
    for (const [banners, id] of [
      [`${UNKNOWN}`, UNKNOWN],
      [`1,${UNKNOWN},2`, UNKNOWN],
      [`1,77,${UNKNOWN}`, 77],
    ] as const) {
      const { status, json } = await ask(`${HOUR_QUERY}&banners=${banners}`)
      assert.deepEqual(
        [status, json['code'], json['detail']],
        [404, 'banner_not_found', `There is no banner ${id}.`],
      )
    }
  })

  test('S3: what is wrong is refused by name, and the sentence says what to change', async () => {
    const rule = 'banners must be 1 to 100 different banner ids, separated by commas.'
    const hundredAndOne = Array.from({ length: 101 }, (_, index) => index + 1).join(',')
    const unknown = 'is unknown here; known are banners, tsFrom, tsTo, step, tz, peak.'
    const table: [query: string, code: string, detail: string][] = [
      ['', 'invalid_parameter', 'banners must be given.'],
      ...['', ',', '1,', ',1', '1,,2', '1,1', '2,1,2', '007', '1,01', '1;2', '1%202', '1,%202']
        .concat(['abc', '1,abc', '0', '-1', '%2B1', '1.5', '1e2', '2147483648', hundredAndOne])
        .concat(['null', '[1]', 'all', '1%00', '%D9%A1', `1,${'9'.repeat(9_000)}`])
        .map((ids): [string, string, string] => [`banners=${ids}`, 'invalid_parameter', rule]),
      ['banners=1&banners=2', 'invalid_parameter', 'banners must be given once.'],
      ['banners=1&banner=2', 'invalid_parameter', `banner ${unknown}`],
      ['banners=1&format=json', 'invalid_parameter', `format ${unknown}`],
      ['banners=1&fill=zero', 'invalid_parameter', `fill ${unknown}`],
      ['banners=1&top=1', 'invalid_parameter', `top ${unknown}`],
      ['banners=1&peak=yes', 'invalid_parameter', 'peak must be true or false.'],
      ['banners=1&peak=', 'invalid_parameter', 'peak must be true or false.'],
      ['banners=1&peak=1', 'invalid_parameter', 'peak must be true or false.'],
      [
        'banners=1&step=year',
        'invalid_parameter',
        'step must be one of minute, hour, day, week, month.',
      ],
      [
        'banners=1&tz=Mars/Olympus',
        'invalid_parameter',
        'tz must be the IANA name of a time zone, for instance Europe/Berlin.',
      ],
      [
        `banners=1&tsFrom=${HOUR.tsTo}&tsTo=${HOUR.tsFrom}`,
        'invalid_range',
        'tsFrom must be before tsTo.',
      ],
      ['banners=1&tsFrom=60&tsTo=60', 'invalid_range', 'tsFrom must be before tsTo.'],
      [
        'banners=1&tsFrom=0&tsTo=6000060',
        'range_too_large',
        'The range has more than 100000 steps, which are the most that are answered at once: ask for a shorter range or a longer step.',
      ],
    ]
    for (const [query, code, detail] of table) {
      const { status, json } = await ask(query)
      assert.deepEqual([status, json['code']], [400, code], query.slice(0, 80))
      assert.equal(json['detail'], detail)
    }
    const { json } = await ask('banners=1,1&step=x&fill=zero')
    assert.deepEqual(
      (json['errors'] as { field: string }[]).map(({ field }) => field),
      ['banners', 'step', 'fill'],
    )
  })

  test('S3: a hundred banners and 100,000 counts are answered, more are not', async () => {
    const from = 1_640_995_200 // 2022
    const until = (days: number) => `tsFrom=${from}&tsTo=${from + days * 86_400}`
    const refusal = async (query: string): Promise<string> => {
      const { status, json } = await ask(query)
      assert.deepEqual([status, json['code']], [400, 'range_too_large'], query)
      return String(json['detail'])
    }
    assert.equal(
      await refusal(`banners=1,2&${until(35)}`),
      'The steps of all banners are 100800, and at most 100000 are answered at once: ask for fewer banners, a shorter range or a longer step.',
    )
    assert.equal((await ask('banners=1,2&tsFrom=0&tsTo=3000000')).status, 200)
    assert.match(await refusal('banners=1,2&tsFrom=0&tsTo=3000060'), /are 100002,/)
    // By quarters of an hour, as days of Berlin are; by the minute for the peak.
    assert.equal(
      await refusal(`banners=1,2,3,4,5,6&step=day&tz=Europe/Berlin&${until(880)}`),
      'The stored counts to be read are 507432, and at most 500000 are read at once: ask for fewer banners, a shorter range or a longer step.',
    )
    assert.equal(
      await refusal(`banners=1&step=month&peak=true&${until(365)}`),
      'The stored counts to be read are 525600, and at most 500000 are read at once: ask for fewer banners or a shorter range, or without the peak.',
    )
    assert.equal((await ask(`banners=1&step=month&${until(365)}`)).status, 200)
    assert.equal((await ask(`banners=1&step=day&peak=true&${until(347)}`)).status, 200)
    await using own = await start()
    const many = Array.from({ length: 100 }, (_, index) => index + 1_000)
    for (const id of many) {
      const body = JSON.stringify({ id, name: `Banner ${id}` })
      const headers = { 'content-type': 'application/json' }
      await fetch(`${own.origin}/banners`, { method: 'POST', headers, body })
    }
    // 657 months of 20,000 days: the very limit of what is read for 25 banners.
    const months = `banners=${many.slice(0, 25).join(',')}&step=month&tsFrom=1970-05-01T00:00:00Z`
    assert.equal((await ask(`${months}&tsTo=2025-02-01T00:00:00Z`, own)).status, 200)
    assert.match(await refusal(`${months}&tsTo=2025-02-02T00:00:00Z`), /are 500700,/)
    const ids = many.toReversed().join(',')
    const { json } = await ask(`banners=${ids}&${until(1_000)}&step=day`, own)
    const banners = json['banners'] as { bannerID: number; name: string; counts: number[] }[]
    assert.deepEqual(
      banners.map(({ bannerID, name, counts }) => [bannerID, name, counts.length]),
      many.toReversed().map((id) => [id, `Banner ${id}`, 1_000]),
    )
  })

  test('I11: refused series are problems, and nothing is counted', async () => {
    const wrong = (body: string, code = 'invalid_parameter'): Refused => {
      return { method: 'GET', path: '/series', body, status: 400, code }
    }
    await checkRefused(app, [
      ...WRONG_IDS.filter((ids) => ids !== '1,000').map((ids): Refused => ({
        method: 'GET',
        path: `/series?banners=${ids}`,
        status: 400,
        code: 'invalid_parameter',
      })),
      ...['null', '42', '[1,2]', '["1"]', '{"a":1}', 'true', '"1,1"', '" 1"', '"1\\n"', '"１"'].map(
        (banners) => wrong(`{"banners":${banners}}`),
      ),
      ...['null', '1', '"TRUE"', '[]'].map((peak) => wrong(`{"banners":"1","peak":${peak}}`)),
      ...['step', 'tz', 'tsFrom', 'tsTo'].map((field) => wrong(`{"banners":"1","${field}":null}`)),
      wrong('{"banners":"1","__proto__":{"peak":true}}'),
      wrong(`{"banners":"${'1,'.repeat(8_000)}"}`),
      wrong('{"banners":"1","tsFrom":60,"tsTo":0}', 'invalid_range'),
      ...['{', '[]', 'null', '"1"'].map((body) => wrong(body, 'invalid_body')),
      { method: 'GET', path: '/series', body: BIG, status: 413, code: 'body_too_large' },
      {
        method: 'GET',
        path: '/series',
        headers: { 'content-encoding': 'gzip' },
        body: '{}',
        status: 415,
        code: 'unsupported_media_type',
      },
      ...['POST', 'PUT', 'DELETE', 'OPTIONS'].map((method): Refused => ({
        method,
        path: `/series?banners=1&${HOUR_QUERY}`,
        status: 405,
        code: 'method_not_allowed',
      })),
      { method: 'GET', path: '/series/', status: 404, code: 'not_found' },
      { method: 'GET', path: '/series/1', status: 404, code: 'not_found' },
    ])
  })
})
