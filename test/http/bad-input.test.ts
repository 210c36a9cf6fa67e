// Every refused input of counting and statistics: status, code, and nothing counted.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ARCHIVED, inEachShape, PAUSED, UNKNOWN, type TestApp } from '../support/app.ts'
import { sendRaw } from '../support/raw.ts'
import { BIG, checkRefused, WRONG_IDS, type Refused } from '../support/refused.ts'
import { totalOf } from '../support/service.ts'

const HOUR = { tsFrom: '2024-12-10T12:00:00Z', tsTo: '2024-12-10T13:00:00Z' }
const HOUR_QUERY = 'tsFrom=2024-12-10T12:00:00Z&tsTo=2024-12-10T13:00:00Z'

const counting: Refused[] = [
  ...['/counter/:id', '/stats/:id'].flatMap((path) => [
    ...WRONG_IDS.map((id) => ({
      path: path.replace(':id', id),
      status: 400,
      code: 'invalid_banner_id',
    })),
    ...[
      { id: UNKNOWN, status: 404, code: 'banner_not_found' },
      { id: PAUSED, status: 410, code: 'banner_paused' },
      { id: ARCHIVED, status: 410, code: 'banner_archived' },
    ].map(({ id, ...answer }) => ({ path: path.replace(':id', String(id)), ...answer })),
    ...['', 'a'.repeat(129), 'a b', 'é', 'a\tb'].map((key) => ({
      path: path.replace(':id', '1'),
      headers: { 'idempotency-key': Buffer.from(key).toString('latin1') },
      status: 400,
      code: 'invalid_idempotency_key',
    })),
    ...[
      'key=',
      `key=${'a'.repeat(129)}`,
      'key=a+b',
      'key=%C3%A9',
      'key=a&key=a',
      'key=%00',
      'key=%FF',
      'key=%zz',
    ].map((query) => ({
      path: `${path.replace(':id', '1')}?${query}`,
      status: 400,
      code: 'invalid_idempotency_key',
    })),
    {
      path: `${path.replace(':id', '1')}?key=a`,
      headers: { 'idempotency-key': 'b' },
      status: 400,
      code: 'invalid_idempotency_key',
    },
    {
      path: path.replace(':id', '1'),
      headers: { 'idempotency-key': ['a', 'a'] },
      status: 400,
      code: 'invalid_idempotency_key',
    },
  ]),
  { method: 'GET', path: '/counter/abc', status: 400, code: 'invalid_banner_id' },
  { method: 'GET', path: `/counter/${UNKNOWN}`, status: 404, code: 'banner_not_found' },
  { path: '/counter/1', body: BIG, status: 413, code: 'body_too_large' },
  { path: '/stats/1', body: BIG, status: 413, code: 'body_too_large' },
  { method: 'GET', path: '/counter/1', body: BIG, status: 413, code: 'body_too_large' },
]

/** Wrong whichever of the three ways it is asked. */
const wrongFields: readonly (readonly [Record<string, unknown>, code?: string])[] = [
  [{ ...HOUR, tsFrom: 'yesterday' }],
  [{ ...HOUR, tsFrom: '2024-12-10T12:00:00' }],
  [{ ...HOUR, tsFrom: '2024-02-30T12:00:00Z' }],
  [{ ...HOUR, tsFrom: '2023-02-29T12:00:00Z' }],
  [{ ...HOUR, tsFrom: '2024-12-10T24:00:00Z' }],
  [{ ...HOUR, tsFrom: '2024-12-10T12:60:00Z' }],
  [{ ...HOUR, tsFrom: '2024-12-10T12:00:60Z' }],
  [{ ...HOUR, tsFrom: '2024-13-10T12:00:00Z' }],
  [{ ...HOUR, tsFrom: '2024-12-10' }],
  [{ ...HOUR, tsFrom: '0071-01-01T00:00:00Z' }],
  [{ ...HOUR, tsFrom: '1969-12-31T23:59:59Z' }],
  [{ ...HOUR, tsTo: '2101-01-01T00:00:00Z' }],
  [{ ...HOUR, tsFrom: '2024-12-10T12:00:00+24:00' }],
  [{ ...HOUR, tsFrom: '' }],
  [{ ...HOUR, tsFrom: -1 }],
  [{ ...HOUR, tsFrom: 1.5 }],
  [{ ...HOUR, tsTo: 1e15 }],
  [{ ...HOUR, step: 'minutes' }],
  [{ ...HOUR, step: '' }],
  [{ ...HOUR, tz: 'Mars/Olympus' }],
  [{ ...HOUR, tz: '+05:30' }],
  [{ ...HOUR, tz: '' }],
  [{ ...HOUR, fill: 'some' }],
  [{ ...HOUR, format: 'xml' }],
  [{ ...HOUR, top: 1 }],
  [{ ...HOUR, from: 1 }],
  [{ tsFrom: HOUR.tsTo, tsTo: HOUR.tsFrom }, 'invalid_range'],
  [{ tsFrom: HOUR.tsTo, tsTo: HOUR.tsTo }, 'invalid_range'],
  [{ tsFrom: 0, tsTo: 6_000_060 }, 'range_too_large'],
]

const statistics: Refused[] = [
  ...wrongFields.flatMap(([fields, code = 'invalid_parameter']) => {
    const query = new URLSearchParams(
      Object.entries(fields).map(([name, value]): [string, string] => [name, String(value)]),
    )
    const json = { body: JSON.stringify(fields), status: 400, code }
    return [
      { path: '/stats/1', ...json },
      { method: 'GET', path: '/stats/1', ...json },
      { method: 'GET', path: `/stats/1?${query.toString()}`, status: 400, code },
    ]
  }),
  ...[
    '{"tsFrom":null,"tsTo":null}',
    '{"tsFrom":"1733835360","tsTo":"1733838960"}',
    '{"tsFrom":true,"tsTo":[]}',
    '{"__proto__":{"tsFrom":0}}',
    '{"tsFrom":0}',
    '{"tsTo":0}',
    '{"step":"minute"}',
  ].map((body) => ({ path: '/stats/1', body, status: 400, code: 'invalid_parameter' })),
  ...['null', '[]', '"{}"', '1', ' ', '{', '{}{}', "{'a':1}", 'tsFrom=0', '{"a":"\\xff"}'].map(
    (body) => ({ path: '/stats/1', body, status: 400, code: 'invalid_body' }),
  ),
  {
    path: '/stats/1',
    body: Buffer.from('{"a":"\xff"}', 'latin1'),
    status: 400,
    code: 'invalid_body',
  },
  ...[
    'step=minute',
    'tsFrom=0',
    'tsTo=60',
    'top=1',
    `${HOUR_QUERY}&x=1`,
    `${HOUR_QUERY}&tsFrom=0`,
    'tsFrom=1e3&tsTo=60',
    'tsFrom=007&tsTo=60',
  ].map((query) => ({ path: `/stats/1?${query}`, status: 400, code: 'invalid_parameter' })),
  {
    path: '/stats/1?tsFrom=0',
    body: '{"tsFrom":0,"tsTo":60}',
    status: 400,
    code: 'invalid_parameter',
  },
  {
    path: '/stats/1',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(JSON.stringify(HOUR)),
    status: 415,
    code: 'unsupported_media_type',
  },
  { path: `/stats/${UNKNOWN}?${HOUR_QUERY}`, status: 404, code: 'banner_not_found' },
  ...['0', '1001', '1e2', '01', 'all', '1.5', ''].map((top) => ({
    method: 'GET',
    path: `/stats?top=${top}`,
    status: 400,
    code: 'invalid_parameter',
  })),
  { method: 'GET', path: '/stats?step=minute', status: 400, code: 'invalid_parameter' },
  { method: 'GET', path: '/stats?tsFrom=60&tsTo=60', status: 400, code: 'invalid_range' },
]

const paths: Refused[] = (
  '/nowhere /counter /counter/ /counter/1/ /counter/1/2 //counter/1 /Counter/1 /live/1 ' +
  '/series/ /series/1 /stats/1/ /banners/ /docs/ /docs/nothing.js /docs/../package.json /openapi.yaml /favicon.ico'
)
  .split(' ')
  .flatMap((path) =>
    ['GET', 'POST', 'PUT', 'PROPFIND'].map((method) => ({
      method,
      path,
      headers: { 'content-type': 'text/nonsense; ;' },
      status: 404,
      code: 'not_found',
    })),
  )
  .concat(
    [
      ['PUT', '/counter/1'],
      ['DELETE', '/counter/abc'],
      ['PATCH', '/stats/1'],
      ['POST', '/stats'],
      ['POST', '/series'],
      ['OPTIONS', '/series'],
      ['PUT', '/banners'],
      ['POST', '/banners/1'],
      ['POST', '/openapi.json'],
      ['DELETE', '/docs'],
      ['POST', '/healthz'],
      ['QUERY', '/stats/1'],
      ['TRACE', '/metrics'],
      ['OPTIONS', '/banners'],
    ].map(([method = '', path = '']) => ({
      method,
      path,
      headers: { 'content-type': 'text/nonsense; ;' },
      status: 405,
      code: 'method_not_allowed',
    })),
  )
  .concat([
    { method: 'GET', path: '/counter/%zz', headers: {} as never, status: 400, code: 'bad_request' },
    { method: 'GET', path: '/%ff', headers: {} as never, status: 400, code: 'bad_request' },
  ])

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  for (const [name, table] of Object.entries({ counting, statistics, paths })) {
    test(`I11: refused ${name} requests say why, and nothing is counted`, async () => {
      await checkRefused(app, table)
    })
  }

  test('I11: what the HTTP parser refuses is a problem too', async () => {
    const table: [bytes: string, status: number, code: string][] = [
      ['nonsense\r\n\r\n', 400, 'bad_request'],
      ['GET /counter/1 HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'bad_request'], // without Host
      [
        'POST /counter/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
        400,
        'bad_request',
      ],
      [`GET /counter/1?${BIG} HTTP/1.1\r\nHost: x\r\n\r\n`, 414, 'uri_too_long'],
      [`GET /counter/1 HTTP/1.1\r\nHost: x\r\nX-Big: ${BIG}\r\n\r\n`, 431, 'headers_too_large'],
      ['GET /counter/1 HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n', 417, 'expectation_failed'],
    ]
    await app.counted()
    const total = await totalOf(app.origin)
    for (const [bytes, status, code] of table) {
      const answer = await sendRaw(app.origin, bytes)
      assert.equal(answer.status, status, bytes.slice(0, 80))
      assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/)
      assert.equal((JSON.parse(answer.body) as Record<string, unknown>)['code'], code)
    }
    await app.counted()
    assert.equal(await totalOf(app.origin), total)
  })
})
