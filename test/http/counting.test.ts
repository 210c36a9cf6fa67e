import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ARCHIVED, inEachShape, jsonOf, PAUSED, UNKNOWN, type TestApp } from '../support/app.ts'
import { sendRaw } from '../support/raw.ts'

const BODY = 'x'.repeat(16 * 1024)

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  async function totalOfBanner(id: number): Promise<number> {
    const answer = await fetch(`${app.origin}/stats/${id}`)
    return Number((await jsonOf(answer))['total'])
  }

  // So that what a test counts is not in what the next one counts.
  afterEach(() => app.counted())

  /** How much `act` raises the banner's total. */
  async function countedBy(id: number, act: () => Promise<unknown>): Promise<number> {
    const earlier = await totalOfBanner(id)
    await act()
    await app.counted()
    return (await totalOfBanner(id)) - earlier
  }

  test('every way to count answers accepted, and counts one click', async () => {
    const ways: (readonly [path: string, init: RequestInit])[] = [
      ['/counter/1', { method: 'GET' }],
      ['/counter/1', { method: 'POST' }],
      ['/counter/1', { method: 'POST', body: BODY }],
      [
        '/counter/1',
        { method: 'POST', body: '{"bro', headers: { 'content-type': 'application/json' } },
      ],
      ['/counter/1', { method: 'POST', body: 'x', headers: { 'content-type': ';;;' } }],
      ['/counter/1', { method: 'POST', body: 'x', headers: { 'content-encoding': 'gzip' } }],
      ['/counter/1?utm=a&utm=b&tsFrom=1', { method: 'POST' }],
      ['/counter/1?key=only-once', { method: 'POST' }],
      ['/counter/1?key=50%25&x=%FF', { method: 'POST' }],
      ['/stats/1', { method: 'POST' }],
      ['/stats/1', { method: 'POST', body: '{}' }],
      ['/stats/1', { method: 'POST', body: ' { }\n', headers: { 'content-type': 'text/html' } }],
      ['/stats/1', { method: 'POST', headers: { 'content-type': 'application/json' } }],
      ['/stats/1?_=12345', { method: 'POST', body: '{}' }],
    ]
    for (const [path, init] of ways) {
      const counted = await countedBy(1, async () => {
        const answer = await fetch(`${app.origin}${path}`, init)
        const what = `${init.method ?? ''} ${path}`
        assert.equal(answer.status, 200, what)
        assert.deepEqual(await answer.json(), { status: 'accepted' })
        assert.equal(answer.headers.get('cache-control'), 'no-store')
        assert.equal(answer.headers.get('access-control-allow-origin'), '*')
      })
      assert.equal(counted, 1, `${init.method ?? ''} ${path}`)
    }
  })

  test('a GET with a body and a chunked body count too', async () => {
    const head = 'HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
    for (const bytes of [
      `GET /counter/2 ${head}Content-Length: 5\r\n\r\nhello`,
      `POST /counter/2 ${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      'GET /counter/2 HTTP/1.0\r\n\r\n',
    ]) {
      const counted = await countedBy(2, async () => {
        assert.equal((await sendRaw(app.origin, bytes)).status, 200)
      })
      assert.equal(counted, 1, bytes)
    }
  })

  test('a body that follows its headers later is waited for; one that never ends counts nothing', async () => {
    const { hostname, port } = new URL(app.origin)
    const head =
      'POST /counter/4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n'
    const send = async (finish: (socket: Socket) => unknown): Promise<string> => {
      const socket = connect(Number(port), hostname)
      let answer = ''
      socket.on('data', (chunk) => (answer += chunk.toString()))
      socket.write(head)
      await pause(50)
      assert.equal(answer, '', 'it waits')
      finish(socket)
      await once(socket, 'close')
      return answer
    }
    assert.match(await send((socket) => socket.write('hello')), /^HTTP\/1\.1 200/)
    assert.doesNotMatch(await send((socket) => socket.end('hell')), /accepted/)
    await app.counted()
    assert.equal(await totalOfBanner(4), 1)
  })

  test('I11: a chunked body beyond 16 KiB is refused, and the connection is still good', async () => {
    const chunk = `${(16 * 1024 + 1).toString(16)}\r\n${BODY}x\r\n0\r\n\r\n`
    const next = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    const answer = await sendRaw(
      app.origin,
      `POST /counter/3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${next}`,
    )
    assert.equal(answer.status, 413)
    assert.match(answer.body, /HTTP\/1\.1 200/)
    await app.counted()
    assert.equal(await totalOfBanner(3), 0)
  })

  test('I7: a key counts once a banner, however it is given and whatever path takes it', async () => {
    const header = { 'idempotency-key': 'order-1' }
    const post = async (path: string, headers = {}) => {
      const answer = await fetch(`${app.origin}${path}`, { method: 'POST', headers })
      assert.equal(answer.status, 200)
      assert.deepEqual(await answer.json(), { status: 'accepted' })
    }
    const counted = await countedBy(4, async () => {
      await Promise.all(Array.from({ length: 20 }, () => post('/counter/4', header)))
      await post('/counter/4?key=order-1')
      await post('/counter/4?key=order-1', header)
      await post('/stats/4?key=order-1')
      await post('/stats/4', header)
    })
    assert.equal(counted, 1)
    assert.equal(await countedBy(5, () => post('/counter/5', header)), 1)
    assert.equal(await countedBy(4, () => post('/counter/4?key=order-2')), 1)
    assert.equal(await countedBy(4, () => post(`/counter/4?key=${'~'.repeat(128)}`)), 1)
  })

  test('HEAD answers with the status of GET, and counts nothing', async () => {
    const table: [path: string, status: number][] = [
      ['/counter/1', 200],
      ['/counter/abc', 400],
      ['/counter/1?key=', 400],
      [`/counter/${UNKNOWN}`, 404],
      [`/counter/${PAUSED}`, 410],
      [`/counter/${ARCHIVED}`, 410],
      ['/stats/1', 200],
      ['/stats', 200],
      ['/series?banners=1,2', 200],
      ['/series', 400],
      ['/banners', 200],
      ['/banners/1', 200],
      ['/healthz', 200],
      ['/readyz', 200],
      ['/metrics', 200],
    ]
    const counted = await countedBy(1, async () => {
      for (const [path, status] of table) {
        const answer = await fetch(`${app.origin}${path}`, { method: 'HEAD' })
        assert.equal(answer.status, status, path)
        assert.equal(await answer.text(), '', path)
      }
    })
    assert.equal(counted, 0)
  })

  test('pages of any origin may count, and none may read', async () => {
    const preflight = (path: string, method: string) =>
      fetch(`${app.origin}${path}`, {
        method: 'OPTIONS',
        headers: { origin: 'https://shop.example', 'access-control-request-method': method },
      })
    const counter = await preflight('/counter/1', 'POST')
    assert.equal(counter.status, 204)
    assert.equal(counter.headers.get('access-control-allow-origin'), '*')
    assert.equal(
      counter.headers.get('access-control-allow-headers'),
      'content-type, idempotency-key',
    )
    assert.equal(counter.headers.get('access-control-allow-methods'), 'GET, POST')
    const count = await preflight('/stats/1', 'POST')
    assert.equal(count.headers.get('access-control-allow-origin'), '*')
    const read = await preflight('/stats/1', 'GET')
    assert.equal(read.headers.get('access-control-allow-origin'), null)
    for (const path of [
      '/stats/1',
      '/stats',
      '/series?banners=1',
      '/banners',
      '/banners/1',
      '/metrics',
      '/nowhere',
    ]) {
      const answer = await fetch(`${app.origin}${path}`)
      assert.equal(answer.headers.get('access-control-allow-origin'), null, path)
    }
    const reading = await fetch(`${app.origin}/stats/1?tsFrom=0&tsTo=60`, { method: 'POST' })
    assert.equal(reading.headers.get('access-control-allow-origin'), null)
  })

  test('refusals of counting requests can be read by any page, and are not cached', async () => {
    for (const path of [
      '/counter/abc',
      `/counter/${UNKNOWN}`,
      `/counter/${PAUSED}`,
      '/counter/1?key=',
      '/counter/%zz',
    ]) {
      const answer = await fetch(`${app.origin}${path}`)
      assert.ok(answer.status >= 400)
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', path)
      assert.equal(answer.headers.get('cache-control'), 'no-store', path)
    }
    // Those that the server makes before the route is asked.
    for (const [head, status] of [
      ['PUT /counter/1 HTTP/1.1\r\nHost: x\r\n', 405],
      [`POST /counter/1 HTTP/1.1\r\nHost: x\r\n${'a: b\r\n'.repeat(201)}`, 431],
      ['POST /counter/1 HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n', 417],
      ['POST /counter/1 HTTP/1.1\r\n', 400],
    ] as const) {
      const answer = await sendRaw(app.origin, `${head}Connection: close\r\n\r\n`)
      assert.equal(answer.status, status)
      assert.equal(answer.headers['access-control-allow-origin'], '*', head.slice(0, 60))
    }
    const reading = await fetch(`${app.origin}/stats/abc`)
    assert.equal(reading.headers.get('access-control-allow-origin'), null)
  })

  test('405 names the methods that are there', async () => {
    const answer = await fetch(`${app.origin}/stats/1`, { method: 'DELETE' })
    assert.equal(answer.status, 405)
    assert.deepEqual(answer.headers.get('allow')?.split(', ').toSorted(), [
      'GET',
      'HEAD',
      'OPTIONS',
      'POST',
    ])
  })

  test('received = accepted + refused, by code', async () => {
    const read = async (): Promise<Map<string, number>> => {
      const text = await (await fetch(`${app.origin}/metrics`)).text()
      const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
      assert.ok(samples.length < 2_000)
      for (const line of samples) assert.match(line, /^tallymark_/)
      return new Map(
        samples.map((line) => {
          const blank = line.lastIndexOf(' ')
          return [line.slice(0, blank), Number(line.slice(blank + 1))]
        }),
      )
    }
    await fetch(`${app.origin}/counter/abc`)
    const metrics = await read()
    const refused = [...metrics].filter(([name]) =>
      name.startsWith('tallymark_clicks_refused_total'),
    )
    const sum = refused.reduce((total, [, count]) => total + count, 0)
    assert.ok((metrics.get('tallymark_clicks_accepted_total') ?? 0) > 0)
    assert.ok((metrics.get('tallymark_clicks_refused_total{code="invalid_banner_id"}') ?? 0) > 0)
    assert.equal(
      metrics.get('tallymark_clicks_received_total'),
      (metrics.get('tallymark_clicks_accepted_total') ?? 0) + sum,
    )
  })
})
