import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createConfig, lint } from '@redocly/openapi-core'
import { Metrics } from '../../src/metrics.ts'
import { routes, type RouteParts } from '../../src/routes.ts'
import { inEachShape, type TestApp } from '../support/app.ts'

const FILE = 'docs/openapi.json'

interface Description {
  readonly openapi: string
  readonly paths: Readonly<
    Record<string, Record<string, { readonly responses: Record<string, unknown> }>>
  >
}

function documented(): Description {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Description // written by npm run docs
}

test('O4: the description passes a linter without a remark', async () => {
  const config = await createConfig({ extends: ['recommended'] })
  const problems = await lint({ ref: FILE, config })
  assert.deepEqual(
    problems.map(({ ruleId, message }) => `${ruleId}: ${message}`),
    [],
  )
})

test('O4: every call is described: what is not is a preflight or a file of a page', () => {
  const table = routes({ metrics: new Metrics(), takesClicks: true } as RouteParts) // none of them runs
  const others = table.filter(({ operation }) => operation === undefined)
  assert.ok(table.length > 15)
  for (const { methods, path } of others) {
    const isExpected = methods[0] === 'OPTIONS' || /^\/(?:assets|docs)\//.test(path)
    assert.ok(isExpected, `${methods.join(' ')} ${path}`)
  }
})

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('O4: /openapi.json is the description in docs/', async () => {
    const answer = await fetch(`${app.origin}/openapi.json`)
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
    const served = (await answer.json()) as Description
    assert.equal(served.openapi, '3.1.0')
    assert.deepEqual(served, documented())
  })

  test('O4: every method that a path allows is described, and no other', async () => {
    for (const [path, item] of Object.entries(documented().paths)) {
      const url = `${app.origin}${path.replace('{bannerId}', '1')}`
      const answer = await fetch(url, { method: 'PUT' })
      assert.equal(answer.status, 405, path)
      const allowed = answer.headers.get('allow')?.split(', ') ?? []
      const told = new Set(Object.keys(item).map((method) => method.toUpperCase()))
      // HEAD goes without saying beside GET, and preflights are between browsers and servers.
      if (told.has('GET')) told.add('HEAD')
      if (told.has('POST') && allowed.includes('OPTIONS')) told.add('OPTIONS')
      assert.deepEqual(allowed.toSorted(), [...told].toSorted(), path)
    }
  })

  test('O4: what a page answers to whoever has it is described, and every role', () => {
    const { paths } = documented()
    for (const path of ['/', '/docs']) assert.ok(paths[path]?.['get']?.responses['304'], path)
    for (const [path, item] of Object.entries(paths)) {
      const told = JSON.stringify(item).includes('wrong_role')
      assert.equal(told, !['/healthz', '/readyz', '/metrics'].includes(path), path)
    }
  })

  test('O4: the page at /docs loads nothing from another host, under a policy of its own', async () => {
    const page = await fetch(`${app.origin}/docs`)
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
    assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'; script/)
    const html = await page.text()
    assert.doesNotMatch(html, /(?:https?:)?\/\//)
    const files = [...html.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(([, file = '']) => file)
    assert.equal(files.length, 3)
    for (const file of files) {
      const answer = await fetch(new URL(file, `${app.origin}/docs`))
      assert.equal(answer.status, 200, file)
      assert.match(answer.headers.get('content-type') ?? '', /^text\/(?:javascript|css)/)
      assert.ok((await answer.text()).length > 100, file)
    }
  })

  test('O4: answers of every kind carry the security headers', async () => {
    const paths = (
      '/counter/1 /counter/abc /stats/1 /stats /series?banners=1 /series /banners /banners/1 /healthz /readyz /metrics ' +
      '/openapi.json /docs /docs/docs.js / /assets/nothing.js /nowhere /counter/%zz'
    ).split(' ')
    for (const path of paths) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT']) {
        const { headers } = await fetch(`${app.origin}${path}`, { method })
        const what = `${method} ${path}`
        assert.equal(headers.get('x-content-type-options'), 'nosniff', what)
        assert.equal(headers.get('referrer-policy'), 'no-referrer', what)
        assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/, what)
        assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/, what)
        assert.match(headers.get('cross-origin-resource-policy') ?? '', /^(?:same|cross)-origin$/)
        assert.equal(headers.get('x-powered-by') ?? headers.get('server'), null, what)
      }
    }
    const counted = await fetch(`${app.origin}/counter/1`)
    assert.equal(counted.headers.get('cross-origin-resource-policy'), 'cross-origin')
    const read = await fetch(`${app.origin}/stats/1`)
    assert.equal(read.headers.get('cross-origin-resource-policy'), 'same-origin')
  })
})
