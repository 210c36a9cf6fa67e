// What operators see: health, readiness, metrics, and errors of every kind.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ERRORS } from '../../src/errors.ts'
import { inEachShape, jsonOf, PAUSED, UNKNOWN, type TestApp } from '../support/app.ts'
import { runInStore } from '../support/past.ts'
import { BIG } from '../support/refused.ts'

const ADMIN = 'admin-token-of-the-tests'
const READ = 'read-token-of-the-tests'
const JSON_TYPE = { 'content-type': 'application/json' }

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('O1: /healthz is 200 while the process serves', async () => {
    const answer = await fetch(`${app.origin}/healthz`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.deepEqual(await answer.json(), { status: 'ok' })
  })

  test('O2: /readyz tells the state of each part', async () => {
    const answer = await fetch(`${app.origin}/readyz`)
    assert.equal(answer.status, 200)
    const others = {
      aggregator: { status: 'ok', partitions: 2, waiting: 0 },
      store: { status: 'ok' },
    }
    assert.deepEqual(await answer.json(), {
      status: 'ready',
      parts: {
        registry: { status: 'ok' },
        log: { status: 'ok', waiting: 0 },
        ...(app.shape === 'Kafka' && others),
      },
    })
  })

  test('O3: the metrics have our names, and are no more for more banners', async () => {
    const names = async (): Promise<string[]> => {
      const answer = await fetch(`${app.origin}/metrics`)
      assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
      const lines = (await answer.text()).split('\n')
      assert.ok(lines.length < 2_000, String(lines.length))
      return lines.filter((line) => /^\w/.test(line)).map((line) => line.split(' ')[0] ?? '')
    }
    await fetch(`${app.origin}/counter/1`) // some lines come with the first click
    await app.counted()
    // And some when they are known for the first time.
    for (const late of ['lag_seconds', 'database_bytes', 'banners_silent'])
      while (!(await names()).includes(`tallymark_${late}`)) await pause(20)
    const earlier = await names()
    assert.ok(earlier.length > 20)
    for (const name of earlier) assert.match(name, /^tallymark_/)
    for (let id = 1_000; id < 1_100; id += 1) {
      const body = JSON.stringify({ id, name: `Banner ${id}` })
      await fetch(`${app.origin}/banners`, { method: 'POST', headers: JSON_TYPE, body })
      await fetch(`${app.origin}/counter/${id}`)
    }
    assert.deepEqual(
      (await names()).filter((name) => !earlier.includes(name) && !name.includes('nodejs_gc')),
      [],
    )
  })

  test('E1: an error is a problem document, whoever refuses the request', async () => {
    for (const path of [
      '/nowhere',
      '/counter/abc',
      '/counter/%zz',
      `/counter/${UNKNOWN}`,
      `/counter/${PAUSED}`,
      '/stats/1?step=x&tz=y',
      `/counter/1?${'x'.repeat(17_000)}`,
    ]) {
      const answer = await fetch(`${app.origin}${path}`)
      const problem = await jsonOf(answer)
      const what = path.slice(0, 60)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, what)
      assert.equal(answer.headers.get('cache-control'), 'no-store', what)
      const { type, title, status, code, detail, errors, ...others } = problem
      assert.equal(status, answer.status, what)
      assert.equal(type, `urn:tallymark:problem:${String(code)}`)
      assert.ok(typeof title === 'string' && String(detail).endsWith('.'), what)
      assert.deepEqual(others, {}, what)
      if (path.includes('step=x')) {
        const fields = (errors as { field: string }[]).map(({ field }) => field)
        assert.deepEqual(fields, ['step', 'tz'])
      } else assert.equal(errors, undefined, what)
    }
  })

  test('E3: 405 names the methods that are there', async () => {
    const allowOf = async (path: string): Promise<string | null> =>
      (await fetch(`${app.origin}${path}`, { method: 'PUT' })).headers.get('allow')
    assert.equal(await allowOf('/banners'), 'GET, HEAD, POST')
    assert.equal(await allowOf('/banners/1'), 'GET, HEAD, PATCH, DELETE')
    assert.equal(await allowOf('/healthz'), 'GET, HEAD')
  })

  test('E4: a 5xx tells code and request id, and nothing of the inside', async () => {
    await using own = await start()
    await runInStore(own, 'drop table quarter_counts')
    const answer = await fetch(`${own.origin}/stats/1?tsFrom=0&tsTo=3600&step=hour`)
    assert.equal(answer.status, 500)
    const { requestId, ...problem } = await jsonOf(answer)
    assert.deepEqual(problem, {
      type: 'urn:tallymark:problem:internal_error',
      title: 'Internal error',
      status: 500,
      code: 'internal_error',
      detail: 'Something failed here; the log has more.',
    })
    assert.match(String(requestId), /^[0-9a-f]{8}-[0-9a-z]+$/)
    assert.ok(own.log().includes(String(requestId)))
    assert.match(own.log(), /quarter_counts/)
  })

  test('E6: what is wrong is judged in one order', async () => {
    await using own = await start({ ADMIN_TOKEN: ADMIN, READ_TOKEN: READ })
    const admin = { authorization: `Bearer ${ADMIN}` }
    const reader = { authorization: `Bearer ${READ}` }
    const gzip = { 'content-encoding': 'gzip' }
    // Each line mends what the line before was refused for, and nothing of what comes later.
    const table: [string, string, Record<string, string>, string | undefined, string][] = [
      ['PATCH', '/nowhere/abc', {}, BIG, 'not_found'],
      ['PUT', '/banners/abc', {}, BIG, 'method_not_allowed'],
      ['PATCH', '/banners/abc', {}, BIG, 'invalid_banner_id'],
      ['PATCH', `/banners/${UNKNOWN}`, {}, BIG, 'unauthorized'],
      ['PATCH', `/banners/${UNKNOWN}`, reader, BIG, 'forbidden'],
      ['PATCH', `/banners/${UNKNOWN}`, admin, BIG, 'body_too_large'],
      ['PATCH', `/banners/${UNKNOWN}`, admin, '{"name":5}', 'unsupported_media_type'],
      ['PATCH', `/banners/${UNKNOWN}`, { ...admin, ...JSON_TYPE }, '{', 'invalid_body'],
      [
        'PATCH',
        `/banners/${UNKNOWN}`,
        { ...admin, ...JSON_TYPE },
        '{"name":5}',
        'invalid_parameter',
      ],
      ['PATCH', `/banners/${UNKNOWN}`, { ...admin, ...JSON_TYPE }, '{}', 'banner_not_found'],
      ['POST', '/stats/abc?tsFrom=x', {}, BIG, 'invalid_banner_id'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=x`, {}, BIG, 'unauthorized'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=x`, reader, BIG, 'body_too_large'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=x`, { ...reader, ...gzip }, '[', 'unsupported_media_type'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=x`, reader, '[', 'invalid_body'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=x`, reader, '{}', 'invalid_parameter'],
      ['POST', `/stats/${UNKNOWN}?tsFrom=0&tsTo=60`, reader, '{}', 'banner_not_found'],
      ['POST', '/counter/abc?key=', {}, BIG, 'invalid_banner_id'],
      ['POST', `/counter/${UNKNOWN}?key=`, {}, BIG, 'body_too_large'],
      ['POST', `/counter/${UNKNOWN}?key=`, {}, undefined, 'invalid_idempotency_key'],
      ['POST', `/counter/${UNKNOWN}`, {}, undefined, 'banner_not_found'],
      ['POST', `/counter/${PAUSED}`, {}, undefined, 'banner_paused'],
      ['GET', '/series/1?banners=abc', {}, undefined, 'not_found'],
      ['POST', '/series?banners=abc', {}, BIG, 'method_not_allowed'],
      ['GET', '/series?banners=abc', {}, undefined, 'unauthorized'],
      ['GET', '/series?banners=abc', reader, undefined, 'invalid_parameter'],
      ['GET', `/series?banners=${UNKNOWN}&tsFrom=9&tsTo=9`, reader, undefined, 'invalid_range'],
      ['GET', `/series?banners=${UNKNOWN}&tsFrom=0`, reader, undefined, 'range_too_large'],
      ['GET', `/series?banners=${UNKNOWN}`, reader, undefined, 'banner_not_found'],
      ['GET', '/banners/abc', {}, undefined, 'invalid_banner_id'],
      ['GET', `/banners/${UNKNOWN}?x=1`, {}, undefined, 'unauthorized'],
      ['GET', `/banners/${UNKNOWN}?x=1`, reader, undefined, 'invalid_parameter'],
      ['GET', `/banners/${UNKNOWN}`, reader, undefined, 'banner_not_found'],
    ]
    for (const [method, path, headers, body, code] of table) {
      const init = { method, headers, ...(body !== undefined && { body }) }
      const problem = await jsonOf(await fetch(`${own.origin}${path}`, init))
      assert.equal(problem['code'], code, `${method} ${path} ${body?.slice(0, 20) ?? ''}`)
    }
  })
})

test('E2: the documented table has every code', () => {
  const page = readFileSync('docs/errors.md', 'utf8')
  for (const [code, { status }] of Object.entries(ERRORS)) {
    assert.match(page, new RegExp(`^\\| ${status} +\\| \`${code}\` +\\|`, 'm'))
  }
})
