import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fastify } from 'fastify'
import { getLive, type LiveParts } from '../../src/query/live-handlers.ts'
import { LiveFeed } from '../../src/query/live.ts'
import type { MinuteCounts } from '../../src/store/count-store.ts'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { insertPast } from '../support/past.ts'

const LOADED = { checkLoaded: () => {} }

interface Row {
  readonly timestamp: string
  readonly bannerID: number
  readonly count: number
}

/** Follows a stream: the rows of each event, in order. */
async function follow(origin: string, query = '') {
  const stop = new AbortController()
  const answer = await fetch(`${origin}/live${query}`, { signal: stop.signal })
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/event-stream/)
  const events: Row[][] = []
  let isEnded = false
  const reading = (async () => {
    let text = ''
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString()
      const parts = text.split('\n\n')
      text = parts.pop() ?? ''
      for (const part of parts) {
        const data = /^event: counts\ndata: (.*)$/.exec(part)?.[1]
        if (data !== undefined) events.push(JSON.parse(data) as Row[])
      }
    }
    isEnded = true
  })().catch(() => {})
  return {
    events,
    isEnded: () => isEnded,
    async [Symbol.asyncDispose]() {
      stop.abort()
      await reading
    },
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'waited too long')
    await pause(20)
  }
}

async function streams(origin: string): Promise<number> {
  const text = await (await fetch(`${origin}/metrics`)).text()
  return Number(/^tallymark_live_streams (\d+)$/m.exec(text)?.[1])
}

/** The newest value of each row that the events told. */
function sumOf(events: readonly Row[][], id: number): number {
  const latest = new Map<string, number>()
  for (const row of events.flat()) if (row.bannerID === id) latest.set(row.timestamp, row.count)
  return [...latest.values()].reduce((sum, value) => sum + value, 0)
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start({ LIVE_MAX: '3' })
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  function click(id: number): Promise<Response> {
    return fetch(`${app.origin}/counter/${id}`, { method: 'POST' })
  }

  test('first the window, then what changed, as new values', async () => {
    await click(1)
    await app.counted()
    await using all = await follow(app.origin)
    await until(() => all.events.length > 0)
    assert.match(all.events[0]?.[0]?.timestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$/)
    assert.equal(sumOf(all.events, 1), 1)
    await using one = await follow(app.origin, '?banner=2')
    await until(() => one.events.length > 0)
    assert.deepEqual(one.events, [[]])
    await click(2)
    await click(2)
    await until(() => sumOf(all.events, 2) === 2 && sumOf(one.events, 2) === 2)
    assert.ok(all.events.slice(1).every((rows) => rows.every(({ bannerID }) => bannerID === 2)))
    assert.equal(sumOf(one.events, 1), 0)
  })

  test('no more than LIVE_MAX streams; one that leaves makes room', async () => {
    await until(async () => (await streams(app.origin)) === 0)
    await using first = await follow(app.origin)
    await using second = await follow(app.origin)
    {
      await using third = await follow(app.origin)
      assert.equal(third.isEnded(), false)
      const refused = await fetch(`${app.origin}/live`)
      assert.equal(refused.status, 503)
      assert.equal(refused.headers.get('retry-after'), '10')
      assert.equal((await jsonOf(refused))['code'], 'too_many_streams')
      const head = await fetch(`${app.origin}/live`, { method: 'HEAD' })
      assert.equal(head.status, 503)
      assert.equal(head.headers.get('retry-after'), '10')
    }
    await until(async () => (await streams(app.origin)) === 2)
    await using fourth = await follow(app.origin)
    await until(() => [first, second, fourth].every(({ events }) => events.length > 0))
  })

  test('wrong parameters, an unknown banner, HEAD', async () => {
    for (const [query, status, code] of [
      ['?banner=x', 400, 'invalid_parameter'],
      ['?banner=1&banner=2', 400, 'invalid_parameter'],
      ['?banner=', 400, 'invalid_parameter'],
      ['?since=1', 400, 'invalid_parameter'],
      ['?banner=999', 404, 'banner_not_found'],
    ] as const) {
      const answer = await fetch(`${app.origin}/live${query}`)
      assert.equal(answer.status, status, query)
      assert.equal((await jsonOf(answer))['code'], code, query)
    }
    await until(async () => (await streams(app.origin)) === 0)
    const head = await fetch(`${app.origin}/live`, { method: 'HEAD' })
    assert.equal(head.status, 200)
    assert.match(head.headers.get('content-type') ?? '', /^text\/event-stream/)
    assert.equal(await head.text(), '')
    await until(async () => (await streams(app.origin)) === 0)
  })

  test('minutes to come are not shown: a record may carry any instant', async () => {
    const current = Math.floor(Date.now() / 60_000)
    const later = (minutes: number) => new Date((current + minutes) * 60_000).toISOString()
    await insertPast(app, [
      [9, later(5), 7],
      [9, later(60), 7],
      [9, '2099-12-31T23:59:00Z', 7],
    ])
    await click(8)
    await app.counted()
    await using all = await follow(app.origin)
    await until(() => sumOf(all.events, 8) === 1)
    assert.equal(sumOf(all.events, 9), 0)
  })

  test('a stop ends all streams at once', async () => {
    const own = await start()
    await using reader = await follow(own.origin)
    await until(() => reader.events.length > 0)
    await own[Symbol.asyncDispose]()
    await until(() => reader.isEnded())
  })

  test('a reader that closes without a word is forgotten', async () => {
    const { hostname, port } = new URL(app.origin)
    const socket = connect(Number(port), hostname)
    socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'data')
    assert.ok((await streams(app.origin)) >= 1)
    socket.destroy()
    await until(async () => (await streams(app.origin)) === 0)
  })
})

test('a reader that leaves while its banner is looked up is not kept', async () => {
  using live = new LiveFeed({
    counts: { recent: async () => [] },
    clock: { now: () => 0 },
    streamsMax: 1,
    fail: assert.ifError,
  })
  const server = fastify()
  const looking = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  server.server.on('connection', (socket) => socket.on('close', () => closed.resolve()))
  const banners = {
    async find() {
      looking.resolve()
      await closed.promise
      return { id: 7, name: 'Seven', url: null, status: 'active', createdAt: 0 } as const
    },
  }
  server.get('/live', getLive({ live, banners, registry: LOADED }))
  const origin = await server.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.write('GET /live?banner=7 HTTP/1.1\r\nHost: x\r\n\r\n')
  await looking.promise
  socket.destroy()
  await closed.promise
  await pause(20) // the handler goes on
  assert.equal(live.streams, 0)
  await server.close()
})

test('while nothing changes a comment keeps the connection open', async () => {
  using live = new LiveFeed({
    counts: { recent: async () => [] },
    clock: { now: () => 0 },
    streamsMax: 1,
    fail: assert.ifError,
  })
  const server = fastify()
  server.get(
    '/live',
    getLive({
      live,
      banners: { find: async () => undefined },
      registry: LOADED,
      commentIntervalMs: 20,
    }),
  )
  const origin = await server.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  let received = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(() => received.split('\n').filter((line) => line.startsWith(':')).length >= 3)
  assert.equal(received.split('event: counts').length, 2, 'the window, once')
  socket.destroy()
  await server.close()
})

/** A minute in which banners from 1 on were clicked. */
function minuteOf(banners: number, clicks: number): MinuteCounts {
  return {
    minute: 0,
    bannerId: Float64Array.from({ length: banners }, (_, index) => index + 1),
    count: new Float64Array(banners).fill(clicks),
  }
}

/** `/live` alone, of a store whose every answer comes from `recent`. */
async function serveLive(
  recent: () => Promise<MinuteCounts[]>,
  times: Pick<LiveParts, 'stalledMs' | 'commentIntervalMs'> = {},
) {
  const live = new LiveFeed({
    counts: { recent },
    clock: { now: () => 0 },
    streamsMax: 9,
    fail: assert.ifError,
    pollIntervalMs: 5,
  })
  const server = fastify()
  let turn = 0
  let turning = setImmediate(function next() {
    turn += 1
    turning = setImmediate(next)
  })
  const turnsOfWrites: number[][] = []
  server.addHook('onRequest', async (_, { raw }) => {
    const turns: number[] = []
    turnsOfWrites.push(turns)
    const write = raw.write.bind(raw)
    raw.write = ((...given: Parameters<typeof write>) => {
      turns.push(turn)
      return write(...given)
    }) as typeof write // passes on whatever it is given
  })
  const banners = { find: async () => undefined }
  const parts = { live, banners, registry: LOADED, commentIntervalMs: 5 }
  server.get('/live', getLive({ ...parts, ...times }))
  const origin = await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    live,
    server: server.server,
    origin,
    /** For each reader, the turns of the event loop in which something was written. */
    turnsOfWrites,
    /** A reader who asks and never reads. */
    stall(): Disposable {
      const socket = connect(Number(new URL(origin).port), '127.0.0.1').pause()
      socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
      return { [Symbol.dispose]: () => void socket.destroy() }
    },
    async [Symbol.asyncDispose]() {
      clearImmediate(turning)
      live[Symbol.dispose]()
      await server.close()
    },
  }
}

/** More than the buffers of the system take. */
const LARGE = minuteOf(200_000, 1)

test('a reader that takes nothing any more is cut', async () => {
  await using served = await serveLive(async () => [LARGE], { stalledMs: 50 })
  using _ = served.stall()
  await until(() => served.live.streams === 1)
  await until(() => served.live.streams === 0)
})

test('a reader that has ended its connection is forgotten before anything is written to it', async () => {
  await using served = await serveLive(async () => [minuteOf(1, 1)], {
    commentIntervalMs: 3_600_000,
  })
  // As the service has it: what a caller has sent is answered though it has ended its side.
  Object.assign(served.server, { httpAllowHalfOpen: true })
  const socket = connect(Number(new URL(served.origin).port), '127.0.0.1')
  socket.write('GET /live HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'data')
  assert.equal(served.live.streams, 1)
  socket.end()
  await until(() => served.live.streams === 0)
})

test('a reader may take its time for an event, which can be large', async () => {
  await using served = await serveLive(async () => [LARGE])
  using _ = served.stall()
  await until(() => served.live.streams === 1)
  await pause(500) // a hundred comments would be due
  assert.equal(served.live.streams, 1)
})

test('a large event is whole for each of its readers, and written in many turns of the event loop', async () => {
  const banners = 50_000
  await using served = await serveLive(async () => [minuteOf(banners, 3)])
  await using first = await follow(served.origin)
  await using second = await follow(served.origin)
  await until(() => first.events.length > 0 && second.events.length > 0)
  const ids = Array.from({ length: banners }, (_, index) => index + 1)
  for (const { events } of [first, second]) {
    const [rows = []] = events
    assert.deepEqual(
      rows.map(({ bannerID }) => bannerID),
      ids,
    )
    const last = { timestamp: '1970-01-01T00:00:00Z', bannerID: banners, count: 3 }
    assert.deepEqual(rows.at(-1), last)
  }
  for (const writes of served.turnsOfWrites) {
    assert.ok(writes.length >= 50, `${writes.length} pieces`)
    assert.equal(new Set(writes).size, writes.length)
  }
})
