// The limits of connections: how many, how slow, how long idle, and how much each may ask at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inEachShape, type TestApp } from '../support/app.ts'
import { openRaw, sendRaw, type RawConnection } from '../support/raw.ts'

const CLICK = 'POST /counter/1 HTTP/1.1\r\nHost: x\r\n\r\n'
const LAST = 'Host: x\r\nConnection: close\r\n\r\n'
const LARGE = `GET /stats/1?tsFrom=0&tsTo=5999940&fill=zero HTTP/1.1\r\nHost: x\r\n\r\n`
const DEADLINE_MS = 30_000

/** So that whatever makes room must do so by itself. */
const PATIENT = { headersTimeoutMs: 600_000, requestTimeoutMs: 600_000 }

async function waitFor(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `waited too long until ${what}`)
    await pause(20)
  }
}

/** NaN: there was no room for the question. */
async function metric(app: TestApp, name: string): Promise<number> {
  const { body } = await sendRaw(app.origin, `GET /metrics HTTP/1.1\r\n${LAST}`)
  return Number(new RegExp(`^tallymark_${name} (.*)$`, 'm').exec(body)?.[1])
}

async function total(app: TestApp): Promise<number> {
  await app.counted()
  const { body } = await sendRaw(app.origin, `GET /stats/1 HTTP/1.1\r\n${LAST}`)
  return (JSON.parse(body) as { total: number }).total
}

function warnings(app: TestApp): number {
  return app.log().split('CONNECTIONS_MAX').length - 1
}

/** Closed with `scope`. */
function openMany(app: TestApp, count: number, scope: DisposableStack): RawConnection[] {
  return Array.from({ length: count }, () => scope.use(openRaw(app.origin)))
}

/** Sends byte after byte until the server has had enough. */
async function trickle({ socket, closed }: RawConnection): Promise<void> {
  const timer = setInterval(() => {
    if (socket.writable) socket.write('x')
  }, 20)
  await closed
  clearInterval(timer)
}

inEachShape((start) => {
  test('I11: who is too slow with headers or body is told so, closed, and not counted', async () => {
    await using app = await start({}, { headersTimeoutMs: 300, requestTimeoutMs: 600 })
    const heads = {
      'nothing at all': '',
      headers: 'POST /counter/1 HTTP/1.1\r\nHost: x\r\nX: ',
      'a body of known length':
        'POST /counter/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n',
      'a body that is asked for':
        'POST /stats/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n',
      'a chunk': 'POST /counter/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n',
      'headers after an answer': `GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /counter/1 HTTP/1.1\r\nX: `,
    }
    await Promise.all(
      Object.entries(heads).map(async ([what, head]) => {
        using connection = openRaw(app.origin)
        connection.socket.write(head)
        if (what === 'nothing at all') await connection.closed
        else await trickle(connection)
        assert.match(connection.received(), /HTTP\/1\.1 408 [^]*"code":"request_timeout"/, what)
        assert.equal(connection.received().split('HTTP/1.1 408').length, 2, what)
      }),
    )
    assert.equal(await total(app), 0)
    assert.equal(await metric(app, 'clicks_accepted_total'), 0)
  })

  test('an idle connection is closed after its time, without an answer to nothing', async () => {
    await using app = await start({}, { keepAliveTimeoutMs: 100 })
    using connection = openRaw(app.origin)
    connection.socket.write(CLICK)
    await connection.closed
    assert.match(connection.received(), /^HTTP\/1\.1 200 .*\{"status":"accepted"\}$/s)
  })

  test('idle connections make room for new ones, one by one, and one line says so', async () => {
    await using app = await start({ CONNECTIONS_MAX: '4' }, PATIENT)
    using scope = new DisposableStack()
    const idle: RawConnection[] = []
    for (let index = 0; index < 20; index += 1) {
      const connection = scope.use(openRaw(app.origin))
      connection.socket.write(CLICK)
      await connection.has('accepted')
      idle.push(connection)
    }
    assert.equal(await total(app), 20)
    assert.equal(await metric(app, 'connections'), 4)
    assert.equal(await metric(app, 'connections_dropped_total'), 0)
    assert.equal(warnings(app), 1)
    await Promise.all(idle.slice(0, 16).map(({ closed }) => closed))
  })

  test('who is silent or slow makes room after a while', async () => {
    await using app = await start({ CONNECTIONS_MAX: '3' }, PATIENT)
    for (const bytes of [
      '',
      'POST /coun',
      'POST /counter/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n8',
    ]) {
      using scope = new DisposableStack()
      const slow = openMany(app, 3, scope)
      for (const { socket } of slow) socket.write(bytes)
      // Whoever finds no room is dropped, and comes again.
      const isAnswered = async () =>
        (await sendRaw(app.origin, `GET /healthz HTTP/1.1\r\n${LAST}`)).status === 200
      await waitFor(isAnswered, `there is room beside ${JSON.stringify(bytes)}`)
      for (const connection of slow) assert.equal(connection.received(), '')
      scope.dispose()
      await waitFor(async () => (await metric(app, 'connections')) === 1, 'all are gone')
    }
    assert.equal(await total(app), 0)
  })

  test('connections that are being answered stay, and new ones are dropped, not queued', async () => {
    await using app = await start({ CONNECTIONS_MAX: '3' }, PATIENT)
    using scope = new DisposableStack()
    const followers = openMany(app, 3, scope)
    for (const follower of followers) {
      follower.socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
      await follower.has('event: counts')
    }
    for (let index = 0; index < 5; index += 1) {
      const answer = await sendRaw(app.origin, CLICK)
      assert.ok(Number.isNaN(answer.status), `answered ${answer.status}`)
    }
    assert.equal(warnings(app), 1)
    for (const { socket } of followers) assert.ok(socket.writable)
    followers[0]?.[Symbol.dispose]()
    await waitFor(
      async () => (await sendRaw(app.origin, `GET /healthz HTTP/1.1\r\n${LAST}`)).status === 200,
      'the place of one that left is free',
    )
    assert.ok((await metric(app, 'connections_dropped_total')) >= 5)
    assert.equal(await total(app), 0, 'a dropped click is not counted')
  })

  test('as many requests as may be pipelined are answered; with one more the connection is closed', async () => {
    await using app = await start({}, { pipelinedMax: 10 })
    const many = await sendRaw(app.origin, `${CLICK.repeat(9)}POST /counter/1 HTTP/1.1\r\n${LAST}`)
    assert.equal(many.body.split('HTTP/1.1 200').length, 10)
    assert.equal(await total(app), 10)
    using connection = openRaw(app.origin)
    connection.socket.write(CLICK.repeat(10_000))
    await connection.closed
    const received = await metric(app, 'clicks_received_total')
    assert.ok(received < 1_000, `${received} were taken in`)
    assert.ok((await total(app)) <= received)
  })

  test('who does not read the answers is not read from either, and is closed at last', async () => {
    await using app = await start({}, { stallTimeoutMs: 1_000, pipelinedMax: 1_000_000 })
    using one = openRaw(app.origin)
    using other = openRaw(app.origin)
    one.socket.pause().write(LARGE)
    const many = other.socket.pause()
    let sent = 0
    const flood = (): void => {
      while (many.writable && sent < 500_000) {
        sent += 100
        if (!many.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100))) {
          many.once('drain', flood)
          return
        }
      }
    }
    flood()
    await waitFor(async () => (await metric(app, 'connections')) === 1, 'both are closed')
    assert.ok(sent < 500_000, 'it was read from to the end')
  })

  test('who says that it sends no more is answered all the same, once for each click', async () => {
    await using app = await start()
    using half = openRaw(app.origin)
    half.socket.end('POST /counter/1 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3))
    await half.closed
    assert.equal(half.received().split('HTTP/1.1 200').length - 1, 3)
  })

  test('what stands behind an Upgrade in one packet is not swallowed: the connection is closed', async () => {
    await using app = await start()
    const upgrade = 'Connection: Upgrade\r\nUpgrade: h2c\r\n'
    const answer = await sendRaw(
      app.origin,
      `POST /counter/1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\nPOST /counter/2 HTTP/1.1\r\nHost: x\r\n\r\n`,
    )
    assert.deepEqual([answer.status, answer.headers['connection']], [200, 'close'])
  })

  test('large answers that nobody reads are few; one more is refused until there is room', async () => {
    await using app = await start({}, { largeAnswersMax: 1 })
    using slow = openRaw(app.origin)
    slow.socket.write(LARGE)
    await slow.has('HTTP/1.1 200') // or one of those below might come first
    slow.socket.pause()
    const ask = () =>
      sendRaw(app.origin, LARGE.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    await waitFor(async () => (await ask()).status === 503, 'the first is being sent')
    const refused = await ask()
    assert.equal(refused.headers['retry-after'], '1')
    assert.match(refused.body, /"code":"overloaded"/)
    const small = await sendRaw(app.origin, `GET /stats/1 HTTP/1.1\r\n${LAST}`)
    assert.equal(small.status, 200)
    slow[Symbol.dispose]()
    await waitFor(async () => (await ask()).status === 200, 'it is gone')
    assert.equal((await ask()).status, 200)
  })

  test('a name as HOST is one address, so that every connection is under these limits', async () => {
    await using app = await start({ HOST: 'localhost' })
    const { port } = new URL(app.origin)
    assert.equal((await fetch(`${app.origin}/healthz`)).status, 200)
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
    await assert.rejects(fetch(`http://[::1]:${port}/healthz`))
  })
})
