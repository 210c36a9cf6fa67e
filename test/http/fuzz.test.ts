import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { inEachShape, type TestApp } from '../support/app.ts'
import { runs } from '../support/properties.ts'
import { sendRaw } from '../support/raw.ts'
import { totalOf } from '../support/service.ts'

const ROUTES = [
  '/counter/1',
  '/stats/1',
  '/stats',
  '/series',
  '/banners',
  '/banners/1',
  '/healthz',
  '/readyz',
]
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY')
const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each).toString('latin1'))
const visible = fc.string({ maxLength: 40 }).map((each) => encodeURI(each.toWellFormed()))

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('I11: random bytes at every route are never a 5xx', async () => {
    const request = fc.record({
      method,
      path: fc.oneof(
        fc.constantFrom(...ROUTES),
        visible.map((each) => `/counter/${each}`),
        visible.map((each) => `/stats/1?${each}`),
        fc
          .tuple(fc.constantFrom('tsFrom', 'step', 'tz', 'key'), visible)
          .map((pair) => `/stats/1?${pair.join('=')}`),
        visible.map((each) => `/series?banners=${each}`),
        fc
          .tuple(fc.constantFrom('tsFrom', 'step', 'tz', 'peak'), visible)
          .map((pair) => `/series?banners=1,2&${pair.join('=')}`),
      ),
      header: fc.oneof(
        fc.constant('X-Nothing: 1'),
        visible.map((each) => `Content-Type: ${each}`),
        visible.map((each) => `Idempotency-Key: ${each}`),
      ),
      body: fc.oneof(bytes, fc.json({ maxDepth: 2 })),
    })
    await fc.assert(
      fc.asyncProperty(request, async ({ method: verb, path, header, body }) => {
        const length = Buffer.byteLength(body, 'latin1')
        const head = `${verb} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\nContent-Length: ${length}\r\n\r\n`
        const { status } = await sendRaw(app.origin, Buffer.from(head + body, 'latin1'))
        assert.ok(status >= 200 && status < 500, `${status}`)
      }),
      runs(300),
    )
  })

  test('I11: bytes that are no HTTP are a 400 or a closed connection, and count nothing', async () => {
    await app.counted()
    const total = await totalOf(app.origin)
    await fc.assert(
      fc.asyncProperty(bytes, async (noise) => {
        const answer = await sendRaw(app.origin, Buffer.from(`!${noise}\r\n\r\n`, 'latin1'))
        assert.ok(Number.isNaN(answer.status) || answer.status === 400, `${answer.status}`)
      }),
      runs(50),
    )
    await app.counted()
    assert.equal(await totalOf(app.origin), total)
  })
})
