// compose.yaml, run without containers: real Postgres, Kafka and nginx, and the service four times.
import assert from 'node:assert/strict'
import { Agent, createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ERRORS } from '../../src/errors.ts'
import { HEADER_BYTES_MAX } from '../../src/http/refusals.ts'
import { runSql } from '../support/database.ts'
import { problemOf, readTotal, statusOf, until, untilComplete } from '../support/kafka-app.ts'
import { emptyResult, post, runLoad } from '../support/load.ts'
import { sendRaw } from '../support/raw.ts'
import { freePort } from '../support/service.ts'
import { needs } from '../support/tools.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { exampleValues, readCompose } from './compose-file.ts'
import { startGateway, startTopology, type Topology } from './topology.ts'

const REPLICAS = 2
const CONNECTIONS = 8
/** Between one loss and the next. */
const LOAD_MS = 1_000
const CLICKS_MIN = 200
const BODY_BYTES_MAX = 16 * 1024

const NEEDED = { ...needs('nginx'), ...NEEDS_KAFKA }
let topology: Topology

before(async () => {
  if (NEEDED.skip === undefined) topology = await startTopology(REPLICAS)
})
after(() => topology?.[Symbol.asyncDispose]())

test(
  'O25: every part killed once under load, each acknowledged click counts once',
  NEEDED,
  async () => {
    const { gateway: origin, apis, aggregators } = topology
    const unkeyed = emptyResult()
    const keyed = emptyResult()
    /** Keys that were sent and not acknowledged yet; resent until they are. */
    const pending = new Set<string>()
    let keys = 0
    let isOver = false
    const load = Promise.all([
      runLoad({
        origin,
        connections: CONNECTIONS,
        result: unkeyed,
        next: () => (isOver ? undefined : { path: `/counter/${1 + (unkeyed.acknowledged % 50)}` }),
      }),
      runLoad({
        origin,
        connections: CONNECTIONS,
        result: keyed,
        next: () => {
          if (isOver) return undefined
          const key = `key-${(keys += 1)}`
          pending.add(key)
          return { path: bannerOf(key), key }
        },
        onAcknowledged: (key) => void pending.delete(key ?? ''),
      }),
    ])
    await pause(LOAD_MS)
    for (const victim of [apis[0], aggregators[0], apis[1], aggregators[1]]) {
      await victim?.crash()
      await pause(LOAD_MS)
    }
    isOver = true
    await load
    await resend(origin, pending)
    const counted = await untilComplete(origin)
    const { total: keyedCounted } = await totalFrom(origin, 51)
    assert.equal(keyedCounted, keys, 'each key counts once')
    const refused = [...unkeyed.refused].reduce((sum, [, clicks]) => sum + clicks, 0)
    const unsettled = refused + unkeyed.unanswered
    const unkeyedCounted = counted - keyedCounted
    const figures = `${unkeyedCounted} of ${unkeyed.acknowledged} and ${unsettled} that may count`
    assert.ok(unkeyed.acknowledged > CLICKS_MIN && keys > CLICKS_MIN, figures)
    assert.ok(unkeyedCounted >= unkeyed.acknowledged, `lost: ${figures}`)
    assert.ok(unkeyedCounted <= unkeyed.acknowledged + unsettled, `doubled: ${figures}`)
    assert.deepEqual(
      [...unkeyed.refused.keys(), ...keyed.refused.keys()].filter((status) => status !== 503),
      [],
    )
    for (const api of apis) assert.equal((await readTotal(api.origin)).total, counted)
  },
)

/** Keyed clicks have banners of their own, 51 to 100, so that they can be told apart. */
function bannerOf(key: string): string {
  return `/counter/${51 + (Number(key.slice(4)) % 50)}`
}

async function resend(origin: string, keys: ReadonlySet<string>): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  for (const key of keys)
    await until(`${key} is acknowledged`, async () => {
      return (await post(`${origin}${bannerOf(key)}`, agent, key)) === 200
    })
  agent.destroy()
}

async function totalFrom(origin: string, bannerMin: number): Promise<{ total: number }> {
  const answer = await fetch(`${origin}/stats?tsFrom=0&tsTo=2100-01-01T00:00:00Z`)
  const { banners } = (await answer.json()) as { banners: { bannerID: number; total: number }[] }
  const found = banners.filter(({ bannerID }) => bannerID >= bannerMin)
  return { total: found.reduce((sum, { total }) => sum + total, 0) }
}

test('without losses as many are counted as were acknowledged', NEEDED, async () => {
  const { gateway: origin } = topology
  const counted = await untilComplete(origin)
  const result = emptyResult()
  let left = 2_000
  const next = () => ((left -= 1) >= 0 ? { path: '/counter/7' } : undefined)
  await runLoad({ origin, connections: CONNECTIONS, result, next })
  const { acknowledged, refused, unanswered } = result
  const rise = (await untilComplete(origin)) - counted
  // On a machine that is too busy some are answered 503, and may count.
  const unsettled = 2_000 - acknowledged
  assert.ok(acknowledged > CLICKS_MIN && unanswered === 0, String(acknowledged))
  assert.deepEqual([...refused.keys()], unsettled > 0 ? [503] : [])
  assert.ok(rise >= acknowledged && rise <= acknowledged + unsettled, `${rise} of ${acknowledged}`)
})

test(
  'events of /live come through the gateway one by one, while the stream is open',
  NEEDED,
  async () => {
    const { gateway: origin } = topology
    const stop = new AbortController()
    const { body } = await fetch(`${origin}/live?banner=99`, { signal: stop.signal })
    const reader = (body ?? assert.fail('there is no body'))
      .pipeThrough(new TextDecoderStream())
      .getReader()
    let seen = ''
    const counts = () =>
      [...seen.matchAll(/^data: .*"count":(\d+)\}\]$/gm)].map(([, count]) => Number(count))
    const read = async (claim: string, isSeen: () => boolean) => {
      while (!isSeen()) {
        const { value, done } = await reader.read()
        assert.ok(!done, `the stream ended before ${claim}: ${seen}`)
        seen += value
      }
    }
    await read('its first event', () => seen.includes('event: counts\n'))
    const events = counts().length
    assert.equal(await statusOf(`${origin}/counter/99`, 'POST'), 200)
    await read('a click was seen', () => counts().length > events)
    stop.abort()
  },
)

test('the dashboard and all that it loads come through the gateway', NEEDED, async () => {
  const { gateway: origin } = topology
  const page = await (await fetch(origin)).text()
  const files = [...page.matchAll(/(?:src|href)="(\.\/assets\/[^"]+)"/g)].map(
    ([, file = '']) => file,
  )
  assert.ok(files.length >= 2, page)
  for (const file of files) assert.equal(await statusOf(new URL(file, origin).href), 200, file)
})

test(
  'nobody changes banners through the gateway without a token, whatever host they name',
  NEEDED,
  async () => {
    const { gateway: origin, apis } = topology
    const change = (to: string) =>
      fetch(`${to}/banners/1`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      })
    const refused = await change(origin)
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /"code":"admin_token_required"/)
    assert.equal(
      (await change(apis[0]?.origin ?? '')).status,
      200,
      'it is the gateway that closes it',
    )
  },
)

test(
  'a body is as long as the service allows, and too long a one is told so in its words',
  NEEDED,
  async () => {
    const { gateway: origin } = topology
    const send = (bytes: number) =>
      fetch(`${origin}/counter/1`, { method: 'POST', body: 'a'.repeat(bytes) })
    assert.equal((await send(BODY_BYTES_MAX)).status, 200)
    for (const bytes of [BODY_BYTES_MAX + 1, 10 * BODY_BYTES_MAX]) {
      const answer = await send(bytes)
      assert.equal(answer.status, 413)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/)
      const { code, detail } = (await answer.json()) as Record<string, unknown>
      assert.deepEqual([code, detail], ['body_too_large', 'The body has more than 16384 bytes.'])
    }
  },
)

test(
  'a request line and headers are as long as the service allows, and longer ones are told so in its words',
  NEEDED,
  async () => {
    const { gateway: origin } = topology
    const text = 'a'.repeat(9_000)
    assert.equal(await statusOf(`${origin}/counter/1?x=${text}`), 200)
    assert.equal((await fetch(`${origin}/counter/1`, { headers: { x: text } })).status, 200)
    assert.deepEqual(await problemOf(`${origin}/problem/bad_request`), [404, 'not_found'])
    for (const bytes of [HEADER_BYTES_MAX, 2 * HEADER_BYTES_MAX]) {
      const long = 'a'.repeat(bytes)
      const line = await refusalOf(origin, `GET /counter/1?x=${long} HTTP/1.1\r\nHost: x`)
      assert.deepEqual([line.status, line.code], [414, 'uri_too_long'])
      const header = await refusalOf(origin, `GET /counter/1 HTTP/1.1\r\nHost: x\r\nx: ${long}`)
      assert.deepEqual([header.status, header.code], [431, 'headers_too_large'])
    }
  },
)

/** The answer to what cannot be read, whoever refuses it. */
async function refusalOf(origin: string, head: string) {
  const { status, headers, body } = await sendRaw(origin, `${head}\r\nConnection: close\r\n\r\n`)
  const problem = JSON.parse(body) as Problem // or the test fails below
  assert.match(headers['content-type'] ?? '', /^application\/problem\+json/)
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(problem.status, status)
  assert.ok(problem.code in ERRORS, problem.code)
  return { ...problem, headers }
}

interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId?: string
}

test(
  'what the gateway refuses itself is a problem, which other sites see if it was a click',
  needs('nginx'),
  async () => {
    await using well = await startFake([], false)
    await using gateway = await startGateway([hostOf(well)])
    for (const [head, status] of [
      ['GET /counter/%zz HTTP/1.1\r\nHost: x', 400],
      ['GET /counter/1 HTTP/1.1', 400],
      ['POST /counter/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x', 400],
      ['TRACE /counter/1 HTTP/1.1\r\nHost: x', 405],
      [`POST /counter/1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${10 * BODY_BYTES_MAX}`, 413],
      ['GET /%zz HTTP/1.1\r\nHost: x', 400],
    ] as const) {
      const refusal = await refusalOf(gateway.origin, head)
      assert.equal(refusal.status, status, head)
      const isCount = head.includes('/counter/')
      assert.equal(refusal.headers['access-control-allow-origin'], isCount ? '*' : undefined, head)
    }
  },
)

test(
  'without an api each request is told what may have become of it, and to other sites only a click is',
  needs('nginx'),
  async () => {
    await using gateway = await startGateway([`127.0.0.1:${await freePort()}`])
    const ids = new Set<string | undefined>()
    for (const [request, detail] of [
      ['GET /counter/1', /^No api answered\. A click was counted at most once: .* key\.$/],
      ['POST /counter/1?key=x', /^No api answered\. A click was counted at most once: .* key\.$/],
      [
        'POST /stats/1',
        /^No api answered\. If this was a click, it was counted at most once: .* key\.$/,
      ],
      ['GET /stats/1?tsFrom=0', /^No api answered\. Try again\.$/],
      ['GET /', /^No api answered\. Try again\.$/],
      ['PATCH /banners/1', /^No api answered\. A banner may have been changed: read it\.$/],
    ] as const) {
      const refusal = await refusalOf(gateway.origin, `${request} HTTP/1.1\r\nHost: x`)
      assert.deepEqual([refusal.status, refusal.code], [503, 'store_unavailable'])
      assert.match(refusal.detail, detail)
      assert.equal(refusal.headers['retry-after'], '1')
      const isCount = request.includes('/counter/')
      assert.equal(refusal.headers['access-control-allow-origin'], isCount ? '*' : undefined)
      assert.match(refusal.requestId ?? '', /^\w{32}$/)
      ids.add(refusal.requestId)
    }
    assert.equal(ids.size, 6)
    for (const id of ids)
      await until('its line is in the log', async () => gateway.output().includes(String(id)))
  },
)

test('O26: Postgres knows its user by the password of .env alone', NEEDED, async () => {
  for (const password of ['', 'another']) {
    const url = new URL(topology.databaseUrl)
    url.password = password
    await assert.rejects(runSql(url.href, 'select 1'), /password/)
  }
  assert.equal((await runSql(topology.databaseUrl, 'select 1')).length, 1)
})

test('what compose.yaml sets in Postgres is a setting of it', NEEDED, async () => {
  const { command = [] } = readCompose('compose.yaml', exampleValues()).services['postgres'] ?? {}
  const set = command.filter((word) => word.includes('='))
  assert.ok(set.length >= 3)
  for (const assignment of set) {
    const [name, value] = assignment.split('=')
    const rows = await runSql(
      topology.databaseUrl,
      'select vartype from pg_settings where name = $1',
      [name],
    )
    assert.equal(rows.length, 1, name)
    assert.match(value ?? '', /^\d+(?:MB|min)?$/)
  }
})

/** An api that has got a click and ends before it answers, or answers; `received` are the paths. */
async function startFake(received: string[], isCut: boolean): Promise<Server & AsyncDisposable> {
  const server = createServer((request, response) => {
    received.push(request.url ?? '')
    if (isCut) request.socket.destroy()
    else response.end('{"status":"accepted"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function hostOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}` // it listens by TCP
}

test(
  'O25: a click that an api took and did not answer is sent to no other',
  needs('nginx'),
  async () => {
    const received: string[] = []
    await using cut = await startFake(received, true)
    await using well = await startFake(received, false)
    await using gateway = await startGateway([hostOf(cut), hostOf(well)])
    received.length = 0
    const paths: string[] = []
    const answers: (readonly unknown[])[] = []
    const isRefused = ([status]: readonly unknown[]) => status !== 200
    // After a failure nginx leaves an api alone for some seconds.
    await until('the first is asked again', async () => {
      const path = `/counter/${1 + paths.length}`
      paths.push(path)
      answers.push(await problemOf(`${gateway.origin}${path}`))
      const isTwice = received.length > paths.length
      return isTwice || (paths.length >= 20 && answers.some(isRefused))
    })
    assert.deepEqual(received, paths)
    for (const answer of answers.filter(isRefused))
      assert.deepEqual(answer, [503, 'store_unavailable'])
  },
)
