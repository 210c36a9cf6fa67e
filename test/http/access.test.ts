// Route × token × header: who may do what.
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { sendRaw } from '../support/raw.ts'
import { inEachShape, startTestApp, type TestApp } from '../support/app.ts'

const READ = 'read-token-of-the-tests'
const ADMIN = 'admin-token-of-the-tests'

type Answer = { readonly status: number; readonly text: string; readonly challenge: unknown }
type Headers = Readonly<Record<string, string | readonly string[]>>

/** node:http: fetch sets Host and Sec-Fetch-Site itself. */
function send(
  origin: string,
  { method, path, body }: RouteOfTable,
  headers: Headers,
  target = path,
): Promise<Answer> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: hostname,
        port,
        method,
        path: target,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(body === undefined ? {} : { 'content-length': body.length }),
          ...(headers as Record<string, string | string[]>), // node's type is not readonly
        },
      },
      (answer) => {
        const { statusCode: status = 0, headers: given } = answer
        let text = ''
        const done = () => resolve({ status, text, challenge: given['www-authenticate'] })
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          if (given['content-type']?.startsWith('text/event-stream') !== true) return
          sent.destroy() // it would go on
          done()
        })
        answer.on('end', done)
        answer.on('error', () => {})
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

interface RouteOfTable {
  readonly method: string
  readonly path: string
  readonly body?: string
  /** What it answers whoever may use it. */
  readonly status: number
}

const OPEN: readonly RouteOfTable[] = [
  { method: 'GET', path: '/counter/1', status: 200 },
  { method: 'POST', path: '/counter/1', status: 200 },
  { method: 'HEAD', path: '/counter/1', status: 200 },
  { method: 'OPTIONS', path: '/counter/1', status: 204 },
  { method: 'POST', path: '/stats/1', status: 200 },
  { method: 'POST', path: '/stats/1', body: '{}', status: 200 },
  { method: 'OPTIONS', path: '/stats/1', status: 204 },
  { method: 'GET', path: '/healthz', status: 200 },
  { method: 'GET', path: '/readyz', status: 200 },
  { method: 'GET', path: '/openapi.json', status: 200 },
  { method: 'GET', path: '/docs', status: 200 },
  { method: 'GET', path: '/docs/docs.js', status: 200 },
  { method: 'GET', path: '/', status: 200 },
  { method: 'HEAD', path: '/', status: 200 },
  { method: 'GET', path: '/assets/nothing.js', status: 404 },
]

const READING: readonly RouteOfTable[] = [
  { method: 'GET', path: '/stats/1', status: 200 },
  { method: 'HEAD', path: '/stats/1', status: 200 },
  { method: 'POST', path: '/stats/1', body: '{"tsFrom":0,"tsTo":60}', status: 200 },
  { method: 'POST', path: '/stats/1?tsFrom=0&tsTo=60', status: 200 },
  { method: 'POST', path: '/stats/1?tsFrom=0&tsTo=60', body: '{}', status: 200 },
  { method: 'POST', path: '/stats/1', body: '{"nonsense', status: 400 },
  { method: 'GET', path: '/stats', status: 200 },
  { method: 'GET', path: '/series?banners=1,2', status: 200 },
  { method: 'HEAD', path: '/series?banners=1,2', status: 200 },
  { method: 'GET', path: '/series', body: '{"banners":"1,2"}', status: 200 },
  { method: 'GET', path: '/series', status: 400 },
  { method: 'GET', path: '/live', status: 200 },
  { method: 'HEAD', path: '/live', status: 200 },
  { method: 'GET', path: '/banners', status: 200 },
  { method: 'GET', path: '/banners/1', status: 200 },
  { method: 'GET', path: '/metrics', status: 200 },
]

const CHANGING: readonly RouteOfTable[] = [
  { method: 'POST', path: '/banners', body: '{"name":"x"}', status: 201 },
  { method: 'PATCH', path: '/banners/1', body: '{"name":"x"}', status: 200 },
  { method: 'DELETE', path: '/banners/2', status: 204 },
]

const CREDENTIALS = {
  nothing: {},
  read: { authorization: `Bearer ${READ}` },
  admin: { authorization: `Bearer ${ADMIN}` },
  'lower case': { authorization: `bearer  ${ADMIN}` },
  wrong: { authorization: 'Bearer of-bad-news-to-everybody' },
  longer: { authorization: `Bearer ${ADMIN}x` },
  basic: { authorization: `Basic ${btoa(`admin:${ADMIN}`)}` },
  bare: { authorization: ADMIN },
  two: { authorization: `Bearer ${ADMIN}, Bearer ${ADMIN}` },
} as const satisfies Record<string, Headers>
type Credential = keyof typeof CREDENTIALS

const TOKENS = { READ_TOKEN: READ, ADMIN_TOKEN: ADMIN }
const READERS: readonly Credential[] = ['read', 'admin', 'lower case']
const ADMINISTRATORS: readonly Credential[] = ['admin', 'lower case']

/** What the credential is answered: the route's own status, or a refusal. */
async function checkTable(
  app: TestApp,
  table: readonly RouteOfTable[],
  refusalOf: (credential: Credential) => readonly [status: number, code: string] | undefined,
): Promise<void> {
  for (const route of table) {
    for (const [credential, headers] of Object.entries(CREDENTIALS)) {
      const what = `${route.method} ${route.path} ${route.body ?? ''} with ${credential}`
      const answer = await send(app.origin, route, headers)
      const refusal = refusalOf(credential as Credential) // a key of CREDENTIALS
      assert.equal(answer.status, refusal?.[0] ?? route.status, `${what}: ${answer.text}`)
      assert.equal(answer.challenge, refusal?.[0] === 401 ? 'Bearer' : undefined, what)
      if (refusal !== undefined && route.method !== 'HEAD') {
        assert.match(answer.text, new RegExp(`"code":"${refusal[1]}"`), what)
      }
      for (const token of [READ, ADMIN]) assert.ok(!answer.text.includes(token), what)
    }
  }
}

const unauthorized = [401, 'unauthorized'] as const
const forbidden = [403, 'forbidden'] as const
const adminTokenRequired = [403, 'admin_token_required'] as const

inEachShape((start) => {
  test('A1: without tokens everything is open to this machine', async () => {
    await using app = await start()
    for (const table of [OPEN, READING, CHANGING]) await checkTable(app, table, () => undefined)
  })

  test('A1: counting and what operators watch is open whatever is set', async () => {
    await using app = await start(TOKENS)
    await checkTable(app, OPEN, () => undefined)
  })

  test('A1: with READ_TOKEN reading needs the read or the admin token', async () => {
    await using app = await start(TOKENS)
    await checkTable(app, READING, (credential) =>
      READERS.includes(credential) ? undefined : unauthorized,
    )
    await using alone = await start({ READ_TOKEN: READ })
    await checkTable(alone, READING, (credential) =>
      credential === 'read' ? undefined : unauthorized,
    )
    await using open = await start({ ADMIN_TOKEN: ADMIN })
    await checkTable(open, READING, () => undefined)
  })

  test('A2: a change needs the admin token; the read token is forbidden to', async () => {
    await using app = await start(TOKENS)
    await checkTable(app, CHANGING, (credential) => {
      if (ADMINISTRATORS.includes(credential)) return undefined
      return credential === 'read' ? forbidden : unauthorized
    })
    await using alone = await start({ ADMIN_TOKEN: ADMIN })
    await checkTable(alone, CHANGING, (credential) =>
      ADMINISTRATORS.includes(credential) ? undefined : unauthorized,
    )
  })

  test('A3: without ADMIN_TOKEN a change must come from this machine, to it, and not by others', async () => {
    await using app = await start({ READ_TOKEN: READ })
    const { port } = new URL(app.origin)
    const local: Headers[] = [
      {},
      ...['localhost', 'LOCALHOST:1', `127.0.0.1:${port}`, '127.5.0.1', '[::1]', '[::1]:80'].map(
        (host) => ({ host }),
      ),
      ...['same-origin', 'same-site', 'none'].map((site) => ({ 'sec-fetch-site': site })),
    ]
    const foreign: Headers[] = [
      ...[
        'banners.example',
        'localhost.evil.example',
        'evil.example:8080',
        '127.0.0.1.evil.example',
        'localhost@evil.example',
        '10.0.0.1',
        '[::2]',
        'localhost:80:80',
      ].map((host) => ({ host })),
      ...['Forwarded', 'Via', 'X-Forwarded-For', 'x-forwarded-host', 'X-FORWARDED-ANYTHING'].map(
        (name) => ({ [name]: '' }),
      ),
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'Cross-Site' },
      { 'sec-fetch-site': ['same-origin', 'cross-site'] },
    ]
    for (const route of CHANGING) {
      for (const headers of local) {
        const answer = await send(app.origin, route, headers)
        assert.equal(answer.status, route.status, `${route.method} ${JSON.stringify(headers)}`)
      }
      for (const headers of foreign) {
        const what = `${route.method} ${JSON.stringify(headers)}`
        const answer = await send(app.origin, route, headers)
        assert.equal(answer.status, 403, what)
        assert.match(answer.text, /"code":"admin_token_required"/, what)
      }
      const absolute = await send(app.origin, route, {}, `http://evil.example${route.path}`)
      assert.equal(absolute.status, 403, `${route.method} http://evil.example`)
    }
  })

  test('A3: HTTP/1.0, as of a proxy that adds no header, does not open the door', async () => {
    await using app = await start()
    const head = 'DELETE /banners/1 HTTP/1.0\r\nHost: localhost\r\n\r\n'
    assert.equal((await sendRaw(app.origin, head)).status, 403)
  })

  test('A3: with ADMIN_TOKEN its bearer changes banners from anywhere', async () => {
    await using app = await start(TOKENS)
    const headers = {
      ...CREDENTIALS.admin,
      host: 'banners.example',
      'x-forwarded-for': '192.0.2.1',
      'sec-fetch-site': 'cross-site',
    }
    for (const route of CHANGING) {
      assert.equal((await send(app.origin, route, headers)).status, route.status, route.path)
    }
  })

  test('A5: a token is in no log, and none is read from a URL', async () => {
    await using app = await start({ ...TOKENS, LOG_LEVEL: 'trace' })
    for (const query of [`token=${ADMIN}`, `access_token=${ADMIN}`, `ADMIN_TOKEN=${ADMIN}`]) {
      for (const { method, path, body } of [...READING, ...CHANGING]) {
        const target = `${path}${path.includes('?') ? '&' : '?'}${query}`
        const route = { method, path: target, status: 401, ...(body !== undefined && { body }) }
        assert.equal((await send(app.origin, route, {})).status, 401, target)
      }
    }
    await checkTable(app, READING, (credential) =>
      READERS.includes(credential) ? undefined : unauthorized,
    )
    for (const token of [READ, ADMIN]) assert.ok(!app.log().includes(token))
  })
})

test('A3: a change from another machine needs ADMIN_TOKEN, whatever it calls this one', async (t) => {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')
  if (outside === undefined) {
    t.skip('this machine has no address but loopback ones')
    return
  }
  await using app = await startTestApp({ HOST: '0.0.0.0' })
  const origin = `http://${outside.address}:${new URL(app.origin).port}`
  for (const route of CHANGING) {
    const answer = await send(origin, route, { host: 'localhost' })
    assert.equal(answer.status, adminTokenRequired[0], route.path)
    assert.match(answer.text, new RegExp(`"code":"${adminTokenRequired[1]}"`))
  }
})
