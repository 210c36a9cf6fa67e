// What never becomes a request of a route, beside requests that do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { sendRaw } from '../support/raw.ts'

const CLICK = 'POST /counter/1 HTTP/1.1\r\nHost: x\r\n'

function statusesIn(text: string): string[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status)
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  async function totalOf(id: number): Promise<number> {
    await app.counted()
    return Number((await jsonOf(await fetch(`${app.origin}/stats/${id}`)))['total'])
  }

  /** All statuses that the connection answers, in order. */
  async function statusesOf(bytes: string): Promise<string[]> {
    const answer = await sendRaw(app.origin, bytes)
    return [String(answer.status), ...statusesIn(answer.body)]
  }

  test('a click is answered 200 before what follows it on the connection is refused', async () => {
    const table: [following: string, statuses: string[]][] = [
      ['{}', ['200', '400']],
      ['\0', ['200', '400']],
      [`${CLICK}\r\n\0`, ['200', '200', '400']],
      [`GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, ['200', '431']],
      ['CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', ['200', '404']],
      [`${CLICK}Transfer-Encoding: chunked\r\n\r\nnonsense`, ['200', '400']],
      [`${CLICK}Expect: wonders\r\n\r\n`, ['200', '417']],
    ]
    let earlier = await totalOf(1)
    for (const [following, statuses] of table) {
      assert.deepEqual(
        await statusesOf(`${CLICK}\r\n${following}`),
        statuses,
        following.slice(0, 60),
      )
      const clicks = statuses.filter((status) => status === '200').length
      const later = await totalOf(1)
      assert.equal(later - earlier, clicks, following.slice(0, 60))
      earlier = later
    }
  })

  test('CONNECT is refused like any method, with Allow where the path exists', async () => {
    const nowhere = await sendRaw(app.origin, 'CONNECT /nope HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(nowhere.status, 404)
    assert.match(nowhere.body, /"code":"not_found"/)
    const counter = await sendRaw(app.origin, 'CONNECT /counter/1 HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.equal(counter.status, 405)
    assert.match(counter.headers['allow'] ?? '', /POST/)
  })

  test('HEAD has no body, whoever refuses it', async () => {
    for (const header of ['Expect: wonders', 'Bad Header: x', `X: ${'x'.repeat(20_000)}`]) {
      const answer = await sendRaw(
        app.origin,
        `HEAD /counter/1 HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`,
      )
      assert.ok(answer.status >= 400, header.slice(0, 40))
      assert.equal(answer.body, '', header.slice(0, 40))
    }
  })

  test('a wrong method is 405 however the path is written', async () => {
    const { host } = new URL(app.origin)
    for (const path of [`http://${host}/counter/1`, '/%63ounter/1?x', '/stat%73/1']) {
      const bytes = `DELETE ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
      assert.equal((await sendRaw(app.origin, bytes)).status, 405, path)
    }
    for (const path of ['/counter%2F1', '/counter/']) {
      const bytes = `DELETE ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
      assert.equal((await sendRaw(app.origin, bytes)).status, 404, path)
    }
  })

  test('a path without an id does not exist, for preflights either', async () => {
    for (const path of ['/counter/', '/stats/']) {
      for (const method of ['GET', 'POST', 'HEAD', 'OPTIONS']) {
        const answer = await fetch(`${app.origin}${path}`, {
          method,
          headers: { 'access-control-request-method': 'POST' },
        })
        assert.equal(answer.status, 404, `${method} ${path}`)
        assert.equal(answer.headers.get('access-control-allow-origin'), null)
      }
    }
  })

  test('a connection that never sends a request does not hold up the stop', async () => {
    // Open connections are cut after half of this, so a stop that waits for it is seen.
    const own = await start({ SHUTDOWN_TIMEOUT_MS: '600000' })
    const { hostname, port } = new URL(own.origin)
    const silent = connect(Number(port), hostname)
    silent.on('error', () => {}) // it may be reset
    await once(silent, 'connect')
    await own[Symbol.asyncDispose]()
    silent.destroy()
  })
})
