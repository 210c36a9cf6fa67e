// Requests that want to be read in two ways, or by somebody else: headers, framing, logs, objects,
// compressed bodies. What is refused counts nothing; what is not counts once, as one request.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { runInStore } from '../support/past.ts'
import { sendRaw } from '../support/raw.ts'

const HOST = 'Host: x\r\n'
const END = 'Connection: close\r\n\r\n'
const POST = `POST /counter/1 HTTP/1.1\r\n${HOST}`
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const HOUR = 'tsFrom=2024-12-10T12:00:00Z&tsTo=2024-12-10T13:00:00Z'
/** A click on another banner, hidden in what is the body of a request, or is not. */
const SMUGGLED = `POST /counter/9 HTTP/1.1\r\n${HOST}\r\n`
const KIB = 1024
const MIB = 1024 * KIB

type Expected = readonly [bytes: string, status: number]

const headers: readonly Expected[] = [
  [`POST /counter/1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n${END}`, 400],
  [`POST /counter/1 HTTP/1.1\r\nHost: x\r\nHost: x\r\n${END}`, 400],
  [`POST /counter/1 HTTP/1.1\r\nHost: x y\r\n${END}`, 400],
  [`${POST}Idempotency-Key: a\r\nIdempotency-Key: a\r\n${END}`, 400],
  [`${POST}Content-Type: a/b\r\nContent-Type: c/d\r\n${END}`, 200],
  [`${POST}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n${END}`, 200],
  [`${POST}${'X-Many: 1\r\n'.repeat(190)}${END}`, 200],
  [`${POST}${'a:\r\n'.repeat(2_100)}Idempotency-Key: a b\r\n${END}`, 431],
  [`${POST}Idempotency-Key: a\r\n${'a:\r\n'.repeat(2_100)}Idempotency-Key: b\r\n${END}`, 431],
  [`${POST}${'a:\r\n'.repeat(2_100)}Content-Length: 5\r\nContent-Length: 6\r\n${END}hello`, 400],
  [`${POST}${'a:\r\n'.repeat(20_000)}${END}`, 431],
  [`${POST}${'n'.repeat(15 * KIB)}: 1\r\n${END}`, 200],
  [`${POST}${'n'.repeat(17 * KIB)}: 1\r\n${END}`, 431],
  [`${POST}X: ${'v'.repeat(17 * KIB)}\r\n${END}`, 431],
  [`${POST}X: ${'v'.repeat(MIB)}\r\n${END}`, 431],
  [`${POST}Idempotency-Key: a\r\n b\r\n${END}`, 400],
  [`POST /counter/1 HTTP/1.1\r\n Host: x\r\n${END}`, 400],
  [`${POST}X: a\0b\r\n${END}`, 400],
  [`${POST}X\0: a\r\n${END}`, 400],
  [`${POST}X: a\rb\r\n${END}`, 400],
  [`${POST}X: a\nY: b\r\n${END}`, 400],
  [`${POST}X : a\r\n${END}`, 400],
  [`${POST}__proto__: a\r\nconstructor: b\r\n${END}`, 200],
  [`POST /counter/1\0 HTTP/1.1\r\n${HOST}${END}`, 400],
  [`POST http://elsewhere/counter/1 HTTP/1.1\r\n${HOST}${END}`, 200],
  [`POST http://elsewhere/stats/../counter/1 HTTP/1.1\r\n${HOST}${END}`, 404],
  [`POST ftp://elsewhere/counter/1 HTTP/1.1\r\n${HOST}${END}`, 404],
  [`GET http://elsewhere/nowhere HTTP/1.1\r\n${HOST}${END}`, 404],
  [`OPTIONS * HTTP/1.1\r\n${HOST}${END}`, 404],
  [`GET * HTTP/1.1\r\n${HOST}${END}`, 404],
  [`GET /counter/1\r\n\r\n`, 400],
  [`GET /counter/1 HTTP/2.0\r\n${HOST}${END}`, 400],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
]

const framing: readonly Expected[] = [
  // Both lengths: CL.TE and TE.CL.
  [`${POST}Content-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`, 400],
  [
    `${POST}${CHUNKED}Content-Length: 4\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    400,
  ],
  // Lengths and codings that somebody else may read in another way.
  ...['1, 1', '+1', '-1', '0x1', '1 1', '1e0', '', '9'.repeat(30)].map((length): Expected => [
    `${POST}Content-Length: ${length}\r\n\r\n${SMUGGLED}`,
    400,
  ]),
  [`${POST}Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`, 400],
  [`${POST}Content-Length: 1\r\nContent-Length: 1\r\n\r\n${SMUGGLED}`, 400],
  ...['identity', 'xchunked', 'chunked, identity', '"chunked"', 'chunked\r\n x', '\v chunked'].map(
    (coding): Expected => [`${POST}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  ),
  [`${POST}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`, 400],
  [`${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`, 400],
  // Chunks.
  ...['-1', '0x1', '1 ', 'ffffffffffffffff1', ''].map((size): Expected => [
    `${POST}${CHUNKED}\r\n${size}\r\nx\r\n0\r\n\r\n${SMUGGLED}`,
    400,
  ]),
  [`${POST}${CHUNKED}\r\n1\nx\n0\n\n${SMUGGLED}`, 400],
  [`${POST}${CHUNKED}\r\n1\r\nxy\r\n0\r\n\r\n${SMUGGLED}`, 400],
  [`${POST}${CHUNKED}\r\n1;${'x'.repeat(2 * MIB)}\r\nx\r\n0\r\n\r\n${SMUGGLED}`, 400],
  [`${POST}${CHUNKED}\r\n0\r\n${`X: ${'x'.repeat(KIB)}\r\n`.repeat(2 * KIB)}\r\n${SMUGGLED}`, 431],
  [`${POST}${CHUNKED}\r\n0\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`, 400],
]

const polluting = [
  '__proto__[polluted]=1',
  '__proto__.polluted=1',
  '__proto__=1',
  'constructor[prototype][polluted]=1',
  'constructor=1',
  'hasOwnProperty=1',
  'toString=1',
]

const pollutingBodies = [
  '{"tsFrom":0,"tsTo":60,"__proto__":{"polluted":1}}',
  '{"tsFrom":0,"tsTo":60,"constructor":{"prototype":{"polluted":1}}}',
  '{"tsFrom":{"__proto__":{"polluted":1}},"tsTo":60}',
  '{"tsFrom":0,"tsTo":60,"tz":{"__proto__":{"polluted":1}}}',
  '{"tsFrom":0,"tsTo":60,"hasOwnProperty":1}',
]

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

  for (const [name, table] of Object.entries({ headers, framing })) {
    test(`I11: hostile ${name} are refused with a problem, or are one request that counts once`, async () => {
      let earlier = await totalOf(1)
      for (const [bytes, status] of table) {
        const what = JSON.stringify(bytes.slice(0, 200))
        const answer = await sendRaw(app.origin, Buffer.from(bytes, 'latin1'))
        assert.equal(answer.status, status, what)
        assert.doesNotMatch(answer.body, /HTTP\/1\.1 \d/, `a second answer to ${what}`)
        if (status !== 200) {
          assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/, what)
        }
        const later = await totalOf(1)
        assert.equal(later - earlier, status === 200 ? 1 : 0, what)
        earlier = later
      }
      assert.equal(await totalOf(9), 0, 'nothing was smuggled in')
    })
  }

  test('I11: a second header does not make a token or a plain body of the first', async () => {
    const token = 'a-read-token-of-a-test'
    await using own = await start({ READ_TOKEN: token })
    const ask = async (...lines: string[]) => {
      const head = `GET /stats/1 HTTP/1.1\r\n${HOST}${lines.map((line) => `${line}\r\n`).join('')}`
      return (await sendRaw(own.origin, `${head}${END}`)).status
    }
    assert.equal(await ask(`Authorization: Bearer ${token}`), 200)
    assert.equal(await ask('Authorization: Bearer no', `Authorization: Bearer ${token}`), 401)
    const body = '{"tsFrom":0,"tsTo":60}'
    const encoded = await sendRaw(
      app.origin,
      `POST /stats/1 HTTP/1.1\r\n${HOST}Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n${END}${body}`,
    )
    assert.equal(encoded.status, 415)
  })

  test('I11: names of what every object has are unknown parameters, and pollute nothing', async () => {
    const unpolluted = Object.getOwnPropertyNames(Object.prototype).toSorted()
    const assertRefused = async (answer: Response, what: string) => {
      assert.equal(answer.status, 400, what)
      const { code, errors } = await jsonOf(answer)
      assert.equal(code, 'invalid_parameter', what)
      assert.ok(Array.isArray(errors) && errors.length > 0, what)
    }
    for (const path of [
      `/stats/1?${HOUR}&`,
      `/stats?${HOUR}&`,
      `/series?banners=1&`,
      '/stats/1?',
      '/banners?',
      '/live?',
    ])
      for (const query of polluting)
        await assertRefused(await fetch(`${app.origin}${path}${query}`), path + query)
    for (const body of pollutingBodies)
      await assertRefused(await fetch(`${app.origin}/stats/1`, { method: 'POST', body }), body)
    const earlier = await totalOf(2)
    for (const query of polluting) {
      const answer = await fetch(`${app.origin}/counter/2?${query}`, { method: 'POST' })
      assert.equal(answer.status, 200, query) // whatever a counting request has besides is ignored
    }
    assert.equal((await totalOf(2)) - earlier, polluting.length)
    assert.deepEqual(Object.getOwnPropertyNames(Object.prototype).toSorted(), unpolluted)
    assert.ok(!('polluted' in {}))
  })

  test('I11: compressed bodies are never unpacked: ignored where they are not read, else 415', async () => {
    const plain = Buffer.alloc(10 * MIB)
    const codings = [
      ['gzip', gzipSync(plain)],
      ['deflate', deflateSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['gzip, gzip', gzipSync(gzipSync(plain))],
      ['GZIP', gzipSync(plain)],
      ['x-unknown', Buffer.from('{}')],
    ] as const
    let counted = await totalOf(3)
    for (const [coding, body] of codings) {
      assert.ok(body.length < 16 * KIB, 'it is small enough to be read')
      const send = (path: string) =>
        fetch(`${app.origin}${path}`, {
          method: 'POST',
          headers: { 'content-encoding': coding },
          body,
        })
      assert.equal((await send('/counter/3')).status, 200, coding)
      assert.equal(await totalOf(3), (counted += 1), coding)
      const asked = await send(`/stats/3?${HOUR}`)
      assert.equal(asked.status, 415, coding)
      assert.equal((await jsonOf(asked))['code'], 'unsupported_media_type')
      assert.equal(await totalOf(3), counted, coding)
    }
  })

  test('nothing of a request reaches the log, not even of one that fails here', async () => {
    await using own = await start()
    const earlier = own.log()
    const forged = 'FATAL forged'
    const request = (path: string) =>
      `GET ${path} HTTP/1.1\r\n${HOST}Idempotency-Key: ${forged}\r\nAuthorization: Bearer ${forged}\r\nX: ${forged}\r\n${END}`
    for (const path of [
      `/counter/1?key=%0AFATAL%20forged`,
      `/counter/%0AFATAL%20forged`,
      `/stats/1?tsFrom=%0AFATAL%20forged`,
      `/series?banners=%0AFATAL%20forged`,
      `/%0d%0aFATAL%20forged`,
      `/FATAL forged`,
      `/%ffFATAL%20forged`,
    ]) {
      const answer = await sendRaw(own.origin, request(path))
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`)
    }
    assert.equal(own.log(), earlier, 'a request that is refused is not logged at all')
    await runInStore(own, 'alter table banners rename to elsewhere')
    const failed = await sendRaw(own.origin, request('/banners?limit=7'))
    await runInStore(own, 'alter table elsewhere rename to banners')
    assert.equal(failed.status, 500)
    const { requestId } = JSON.parse(failed.body) as { requestId: string }
    const line = own.log().slice(earlier.length)
    assert.ok(line.includes(requestId), 'but what fails here is, by its id')
    assert.doesNotMatch(line, /forged|limit=7/)
  })
})
