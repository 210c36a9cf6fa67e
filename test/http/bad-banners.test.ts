// Every refused input of banners: status, code, and nothing changed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { inEachShape, UNKNOWN } from '../support/app.ts'
import { BIG, checkRefused, WRONG_IDS, type Refused } from '../support/refused.ts'

const banners: Refused[] = (
  'limit=0 limit=1001 limit=x limit= limit=1&limit=2 limit=-1 ' +
  'after=-1 after=2147483648 archived=yes archived= name=x'
)
  .split(' ')
  .map((query) => ({
    method: 'GET',
    path: `/banners?${query}`,
    status: 400,
    code: 'invalid_parameter',
  }))
  .concat([
    { method: 'GET', path: '/banners/007', status: 400, code: 'invalid_banner_id' },
    { method: 'GET', path: `/banners/${UNKNOWN}`, status: 404, code: 'banner_not_found' },
  ])

const JSON_TYPE = { 'content-type': 'application/json' }

/** Changes: `body` is sent as it is. */
const changes: Refused[] = [
  ...[
    ['POST', '/banners'],
    ['PATCH', '/banners/1'],
  ].flatMap(([method = '', path = '']) => {
    const request = { method, path, headers: JSON_TYPE }
    return [
      ...['[]', 'null', '"x"', '5', '{', '', ' ', '{}{}', '{"name":"\\xff"}'].map((body) => ({
        ...request,
        body,
        status: 400,
        code: 'invalid_body',
      })),
      ...[
        { name: 5 },
        { name: null },
        { name: '' },
        { name: ' \u00a0\t' },
        { name: '\u200b\u2060\u3164' },
        { name: '\u2800 \u00ad' },
        { name: 'a\nb' },
        { name: 'a\u0085b' },
        { name: 'x'.repeat(201) },
        { name: '😀'.repeat(201) },
        { name: ['x'] },
        { name: 'x', url: '' },
        { name: 'x', url: 'ftp://a/' },
        { name: 'x', url: 'javascript:alert(1)' },
        { name: 'x', url: 'http://' },
        { name: 'x', url: ' http://a/ ' },
        { name: 'x', url: 'http:a' },
        { name: 'x', url: 'http:///a' },
        { name: 'x', url: 'http://\\a' },
        { name: 'x', url: 'http://a\\b' },
        { name: 'x', url: 'http://?a' },
        { name: 'x', url: 'http://a/ b' },
        { name: 'x', url: '//a/' },
        { name: 'x', url: `http://a/${'x'.repeat(2_048)}` },
        { name: 'x', url: 5 },
        { name: 'x', status: 'gone' },
        { name: 'x', status: null },
        { name: 'x', createdAt: '2026-11-01T00:00:00Z' },
        { name: 'x', colour: 'red' },
      ].map((fields) => ({
        ...request,
        body: JSON.stringify(fields),
        status: 400,
        code: 'invalid_parameter',
      })),
      ...['{"name":"\\ud800"}', '{"name":"x","__proto__":{"status":"paused"}}'].map((body) => ({
        ...request,
        body,
        status: 400,
        code: 'invalid_parameter',
      })),
      {
        ...request,
        path: `${path}?status=active`,
        body: '{"name":"x"}',
        status: 400,
        code: 'invalid_parameter',
      },
      ...[undefined, 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonx'].map(
        (type) => ({
          method,
          path,
          headers: type === undefined ? {} : { 'content-type': type },
          body: '{"name":"x"}',
          status: 415,
          code: 'unsupported_media_type',
        }),
      ),
      {
        ...request,
        headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
        body: gzipSync('{"name":"x"}'),
        status: 415,
        code: 'unsupported_media_type',
      },
      { ...request, body: BIG, status: 413, code: 'body_too_large' },
      { ...request, headers: {}, body: BIG, status: 413, code: 'body_too_large' },
    ]
  }),
  ...[0, -1, 1.5, 2_147_483_648, '5', null, [], true].map((id) => ({
    method: 'POST',
    path: '/banners',
    headers: JSON_TYPE,
    body: JSON.stringify({ id, name: 'x' }),
    status: 400,
    code: 'invalid_parameter',
  })),
  ...['PATCH', 'DELETE'].flatMap((method) => [
    ...WRONG_IDS.map((id) => ({
      method,
      path: `/banners/${id}`,
      headers: JSON_TYPE,
      body: '{"name":"x"}',
      status: 400,
      code: 'invalid_banner_id',
    })),
    {
      method,
      path: `/banners/${UNKNOWN}`,
      headers: JSON_TYPE,
      body: '{"name":"x"}',
      status: 404,
      code: 'banner_not_found',
    },
  ]),
  {
    method: 'PATCH',
    path: '/banners/1',
    headers: JSON_TYPE,
    body: '{"id":2}',
    status: 400,
    code: 'invalid_parameter',
  },
  { method: 'DELETE', path: '/banners/1?x=1', status: 400, code: 'invalid_parameter' },
  { method: 'DELETE', path: '/banners/1', body: BIG, status: 413, code: 'body_too_large' },
  { method: 'GET', path: '/banners/1?x=1', status: 400, code: 'invalid_parameter' },
]

inEachShape((start) => {
  test('E5: refused banner requests say why, and nothing is changed', async () => {
    await using app = await start()
    const read = async () => (await fetch(`${app.origin}/banners?archived=true`)).text()
    const before = await read()
    await checkRefused(app, [...banners, ...changes])
    assert.equal(await read(), before)
  })

  test('E5: every wrong field is named', async () => {
    await using app = await start()
    const answer = await fetch(`${app.origin}/banners`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: '{"id":"5","name":5,"colour":1,"__proto__":2}',
    })
    const { errors } = (await answer.json()) as { errors: { field: string }[] } // a problem
    const fields = errors.map(({ field }) => field)
    assert.deepEqual(fields, ['id', 'name', 'colour', '__proto__'])
  })

  test('A7: a change that does not say that it is JSON is refused', async () => {
    await using app = await start()
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'Application/JSON',
    ]) {
      const headers = { 'content-type': type }
      const init = { method: 'PATCH', headers, body: '{"name":"x"}' }
      assert.equal((await fetch(`${app.origin}/banners/1`, init)).status, 200, type)
    }
    await checkRefused(
      app,
      changes.filter(({ status }) => status === 415),
    )
  })
})
