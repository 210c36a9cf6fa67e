// The files of the dashboard and of the page of the API, as browsers ask for them.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { pageFolder } from '../../src/http/page.ts'
import { listen } from '../../src/http/server.ts'
import { createLogger } from '../../src/logger.ts'
import { Metrics } from '../../src/metrics.ts'
import { routes, type RouteParts } from '../../src/routes.ts'
import type { Route } from '../../src/http/route.ts'
import { jsonOf, startTestApp, type TestApp } from '../support/app.ts'
import { sendRaw } from '../support/raw.ts'
import { temporaryFolder } from '../support/service.ts'

const PAGE = 'dist/page'
/** Of everything that the dashboard loads. */
const DASHBOARD_BYTES_MAX = 80_000
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** URL to the file that it serves. */
const FILES: Readonly<Record<string, string>> = {
  '/': 'dashboard/index.html',
  ...Object.fromEntries(
    plainFiles('dashboard/assets').map((name) => [`/assets/${name}`, `dashboard/assets/${name}`]),
  ),
  '/docs': 'docs/index.html',
  '/docs/docs.js': 'docs/docs.js',
  '/docs/swagger-ui.css': 'docs/swagger-ui.css',
  '/docs/swagger-ui-bundle.js': 'docs/swagger-ui-bundle.js',
}
const INDEX = readFileSync(join(PAGE, 'dashboard/index.html'), 'utf8')

function plainFiles(folder: string): string[] {
  return readdirSync(join(PAGE, folder)).filter((name) => /\.(?:css|html|js|svg)$/.test(name))
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  /** As it was sent: fetch would unpack it. */
  readonly body: Buffer
}

async function ask(
  origin: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const sent = request(new URL(path, origin), { method, headers, agent: false }, (answer) => {
      const { statusCode: status, headers: given } = answer
      buffer(answer).then((body) => resolve({ status, headers: given, body }), reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** A service of these routes alone. */
async function serve(table: readonly Route[], largeAnswersMax = 100) {
  const tokens = { read: undefined, admin: undefined }
  return await listen({
    host: '127.0.0.1',
    port: 0,
    routes: table,
    tokens,
    logger: createLogger({ level: 'fatal', format: 'json', write: () => {} }),
    connectionsMax: 100,
    onDropped: () => {},
    answersOf: () => new Metrics().route(),
    limits: { largeAnswersMax },
    drainTimeoutMs: 1_000,
    beforeCut: () => {},
  })
}

/** A dashboard that consists of its index.html. */
function folderOf(html?: string) {
  const folder = temporaryFolder()
  const write = (text: string): void => {
    const path = join(folder.path, 'dashboard')
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'index.html'), text)
    utimesSync(join(path, 'index.html'), 499_162_500, 499_162_500) // the time that npm pack gives
  }
  if (html !== undefined) write(html)
  const pages = pathToFileURL(`${folder.path}/`)
  const handle = pageFolder('dashboard', 'checked', pages)('index.html')
  const table: Route[] = [{ methods: ['GET', 'HEAD'], path: '/', access: 'open', handle }]
  return { write, table, folder, [Symbol.dispose]: () => folder[Symbol.dispose]() }
}

let app: TestApp
before(async () => {
  app = await startTestApp({ READ_TOKEN: 'of-no-use-for-a-page' })
})
after(async () => {
  await app[Symbol.asyncDispose]()
})

test('D1: the dashboard is at /, and the files that it names beside it, open to everybody', async () => {
  const { status, headers, body } = await ask(app.origin, '/')
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  assert.equal(body.toString(), INDEX)
  const named = [...INDEX.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(
    ([, path = '']) => path,
  )
  assert.ok(named.length >= 3, named.join())
  for (const path of named) assert.equal((await ask(app.origin, path)).status, 200, path)
})

test('D1: every file is served as it was built, under its own type', async () => {
  for (const [path, file] of Object.entries(FILES)) {
    const { status, headers, body } = await ask(app.origin, path)
    assert.equal(status, 200, path)
    assert.equal(headers['content-type'], TYPES[file.split('.').at(-1) ?? ''], path)
    assert.ok(body.equals(readFileSync(join(PAGE, file))), path)
  }
})

test('D1: HEAD answers like GET, without a body', async () => {
  for (const path of Object.keys(FILES)) {
    for (const coding of ['identity', 'gzip']) {
      const got = await ask(app.origin, path, { 'accept-encoding': coding })
      const head = await ask(app.origin, path, { 'accept-encoding': coding }, 'HEAD')
      const { date: _, ...wanted } = got.headers
      const { date: __, ...given } = head.headers
      assert.deepEqual(given, wanted, `${path} ${coding}`)
      assert.equal(wanted['content-length'], String(got.body.length), `${path} ${coding}`)
      assert.equal(head.body.length, 0)
    }
  }
})

test('D1: what is not in the folder is not there, whatever the path says', async () => {
  const paths = (
    '/index.html /assets /assets/ /assets/index.html /assets/index-Bygone00.js /assets/nothing ' +
    '/assets/../index.html /assets/./index.html /assets/..%2findex.html /assets/%2e%2e%2findex.html ' +
    '/assets/%2e%2e/index.html /assets/%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json /assets//etc/passwd ' +
    '/assets/%2fetc%2fpasswd /assets/..%5cindex.html /assets/%00 /assets/constructor /assets/__proto__ ' +
    '/docs/../../package.json /docs/%2e%2e%2f%2e%2e%2fpackage.json /docs/swagger-ui.LICENSE.txt'
  ).split(' ')
  const others = Object.keys(FILES).flatMap((path) => [
    `${path}.gz`,
    path.replace('/assets/', '/assets/x%2f').replace(/^\/(?!assets)/, '/docs/x%2f'),
  ])
  for (const path of [...paths, ...others]) {
    for (const method of ['GET', 'HEAD']) {
      const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
      const { status, headers, body } = await sendRaw(app.origin, head)
      assert.equal(status, 404, `${method} ${path}`)
      assert.equal(headers['content-type'], 'application/problem+json', path)
      assert.equal(headers['cache-control'], 'no-store', path)
      if (method === 'GET') assert.match(body, /"code":"not_found"/, path)
    }
  }
})

test('D1: only GET and HEAD are understood', async () => {
  for (const path of ['/', ...Object.keys(FILES)]) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers, body } = await ask(app.origin, path, {}, method)
      assert.equal(status, 405, `${method} ${path}`)
      assert.equal(headers.allow, 'GET, HEAD', `${method} ${path}`)
      assert.match(body.toString(), /"code":"method_not_allowed"/)
    }
  }
})

test('D1: a process that only counts has no pages', async () => {
  const parts = { metrics: new Metrics(), takesClicks: false } as RouteParts // none is asked
  await using server = await serve(routes(parts))
  for (const path of ['/', '/assets/index.js', '/docs', '/docs/docs.js']) {
    const answer = await fetch(`${server.origin}${path}`)
    assert.equal((await jsonOf(answer))['code'], 'wrong_role', path)
  }
})

test('D1: pages that are not built say how to build them, and are there as soon as they are', async () => {
  using pages = folderOf()
  await using server = await serve(pages.table)
  const missing = await fetch(server.origin)
  assert.equal(missing.status, 404)
  const { code, detail } = await jsonOf(missing)
  assert.equal(code, 'not_found')
  assert.match(String(detail), /not built: .*npm start.*node scripts\/page\.ts/)
  pages.write('<p>here</p>')
  assert.equal(await (await fetch(server.origin)).text(), '<p>here</p>')
  rmSync(join(pages.folder.path, 'dashboard'), { recursive: true })
  assert.equal((await fetch(server.origin)).status, 404)
})

test('D2: pages are asked for each time, and files whose name tells their content are kept for a year', async () => {
  for (const path of Object.keys(FILES)) {
    const wanted = path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache'
    const { headers } = await ask(app.origin, path)
    assert.equal(headers['cache-control'], wanted, path)
    assert.match(headers.etag ?? '', /^"[\w-]{43}"$/, path)
  }
})

test('D2: what a browser has already is not sent again', async () => {
  for (const path of Object.keys(FILES)) {
    for (const coding of ['identity', 'gzip']) {
      const first = await ask(app.origin, path, { 'accept-encoding': coding })
      const { etag = '' } = first.headers
      const same = [etag, `W/${etag}`, `"other", ${etag}`, `W/"a,b" ,W/${etag},"c"`, '*', ' * ']
      for (const tags of same) {
        for (const method of ['GET', 'HEAD']) {
          const given = { 'accept-encoding': coding, 'if-none-match': tags }
          const { status, headers, body } = await ask(app.origin, path, given, method)
          assert.equal(status, 304, `${method} ${path} ${tags}`)
          assert.equal(body.length, 0)
          // A browser replaces those that it has kept by these.
          for (const name of ['etag', 'cache-control', 'vary', 'content-security-policy']) {
            assert.equal(headers[name], first.headers[name], `${path} ${name}`)
          }
        }
      }
      for (const tags of [
        '"other"',
        etag.slice(1, -1),
        etag.toUpperCase(),
        `"x${etag}`,
        '"*"',
        '',
      ]) {
        const given = { 'accept-encoding': coding, 'if-none-match': tags }
        assert.equal((await ask(app.origin, path, given)).status, 200, `${path} ${tags}`)
      }
    }
  }
})

test('D2: another content has another tag, though its size and time are the same', async () => {
  const tags: unknown[] = []
  for (const html of ['<p>version 1</p>', '<p>version 2</p>', '<p>version 1</p>']) {
    using pages = folderOf(html)
    await using server = await serve(pages.table)
    const answer = await fetch(server.origin)
    assert.equal(await answer.text(), html)
    tags.push(answer.headers.get('etag'))
  }
  assert.notEqual(tags[0], tags[1])
  assert.equal(tags[0], tags[2])
})

test('D3: who takes gzip gets it, under a tag of its own, and it is the same file', async () => {
  for (const [path, file] of Object.entries(FILES)) {
    const plain = await ask(app.origin, path)
    const packed = await ask(app.origin, path, { 'accept-encoding': 'gzip, deflate, br, zstd' })
    assert.equal(packed.headers['content-encoding'], 'gzip', path)
    assert.equal(packed.headers['content-type'], plain.headers['content-type'], path)
    assert.ok(packed.body.length < plain.body.length, path)
    assert.ok(gunzipSync(packed.body).equals(readFileSync(join(PAGE, file))), path)
    assert.notEqual(packed.headers.etag, plain.headers.etag, path)
    for (const { headers } of [plain, packed]) assert.equal(headers.vary, 'Accept-Encoding', path)
  }
})

test('D3: gzip is sent to those alone who take it', async () => {
  const takers = ['gzip', 'GZIP', '*', 'br;q=1, gzip;q=0.1', 'gzip;q=0.001', 'identity;q=0, gzip']
  const others = [
    '',
    'identity',
    'gzip;q=0',
    'br, deflate',
    '*;q=0',
    'gzip;q=0, *',
    'identity, gzip;q=0.5',
  ]
  const coding = async (accepted: string) => {
    const { status, headers } = await ask(app.origin, '/', { 'accept-encoding': accepted })
    assert.equal(status, 200, accepted)
    return headers['content-encoding']
  }
  for (const accepted of takers) assert.equal(await coding(accepted), 'gzip', accepted)
  for (const accepted of others) assert.equal(await coding(accepted), undefined, accepted)
  assert.equal((await ask(app.origin, '/')).headers['content-encoding'], undefined)
})

test('D3: a large file that there is no room to send is refused in plain words', async () => {
  const path = '/docs/swagger-ui-bundle.js'
  const parts = { metrics: new Metrics(), takesClicks: true } as RouteParts // none is asked
  await using server = await serve(routes(parts), 0)
  const { status, headers, body } = await ask(server.origin, path, { 'accept-encoding': 'gzip' })
  assert.equal(status, 503)
  assert.match(body.toString(), /"code":"overloaded"/)
  for (const name of ['content-encoding', 'etag']) assert.equal(headers[name], undefined, name)
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal((await ask(server.origin, path, {}, 'HEAD')).status, 200)
  assert.equal((await ask(server.origin, '/')).status, 200)
})

test('D4: the dashboard runs nothing but its own files, under a policy that says so', async () => {
  for (const path of Object.keys(FILES)) {
    const { headers } = await ask(app.origin, path)
    assert.equal(headers['content-security-policy'], POLICY, path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.equal(headers['referrer-policy'], 'no-referrer', path)
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin', path)
  }
  assert.doesNotMatch(INDEX, /<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:/i)
  // Every address is relative, as the service may stand behind a proxy, below another path.
  for (const [, address = ''] of INDEX.matchAll(/\s(?:src|href)="([^"]*)"/g)) {
    assert.match(address, /^(?:\.\/assets\/)?[\w-]+(?:\.\w+)?$/)
  }
})

test('D4: everything that the dashboard loads is at most 80 kB', () => {
  const files = ['dashboard', 'dashboard/assets'].flatMap((folder) =>
    plainFiles(folder).map((name) => join(PAGE, folder, name)),
  )
  assert.ok(files.length >= 4)
  const sizes = files.map((file) => gzipSync(readFileSync(file), { level: 9 }).length)
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  assert.ok(bytes <= DASHBOARD_BYTES_MAX, `${bytes} bytes: ${files.join(', ')}`)
})
