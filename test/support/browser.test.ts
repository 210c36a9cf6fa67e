// The checks of pages find what they look for, in a page that does everything wrong.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { assertAccessible, NEEDS_BROWSER, openBrowser, type TestBrowser } from './browser.ts'

/** A site of one page. */
async function serve(body: string): Promise<AsyncDisposable & { readonly origin: string }> {
  const server = createServer((request, response) => {
    const isPage = request.url === '/'
    response.writeHead(isPage ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' })
    response.end(
      isPage
        ? `<!doctype html><html lang="en"><title>A page</title><link rel="icon" href="data:,">${body}`
        : '',
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

describe('pages in a browser', NEEDS_BROWSER, () => {
  let browser: TestBrowser
  before(async () => {
    browser = await openBrowser()
  })
  after(async () => {
    await browser[Symbol.asyncDispose]()
  })

  test('a page that does nothing wrong is clean and accessible', async () => {
    await using site = await serve('<main><h1>Fine</h1></main>')
    await using opened = await browser.newPage(site.origin)
    await opened.page.goto('/')
    await opened.assertClean()
    await assertAccessible(opened.page)
  })

  const WRONG: readonly (readonly [body: string, complaint: RegExp])[] = [
    ['<script>console.error("oh")</script>', /console\.error: oh/],
    ['<script>console.warn("hm")</script>', /console\.warning: hm/],
    ['<script>throw new Error("lost")</script>', /uncaught: Error: lost/],
    ['<script>Promise.reject(new Error("alone"))</script>', /uncaught: Error: alone/],
    ['<script src="nowhere.js"></script>', /404 .*nowhere\.js/],
    ['<img alt="" src="http://example.org/x.png">', /another origin: http:\/\/example\.org\/x/],
    [
      '<script>fetch("http://127.0.0.1:1/x").catch(() => {})</script>',
      /another origin: http:\/\/127\.0\.0\.1:1\/x/,
    ],
    [
      '<script>new WebSocket("ws://example.org/x")</script>',
      /another origin: ws:\/\/example\.org\/x/,
    ],
  ]
  test('everything that a page does wrong is told, unless a test provokes it', async () => {
    await using site = await serve(WRONG.map(([body]) => body).join(''))
    await using opened = await browser.newPage(site.origin)
    await opened.page.goto('/', { waitUntil: 'networkidle' })
    for (const [, complaint] of WRONG) await assert.rejects(opened.assertClean(), complaint)
    await assert.rejects(opened.assertClean(/console/), /uncaught/)
    await opened.assertClean(/./)
  })

  test('what keeps people from using a page is named, with its place', async () => {
    await using site = await serve('<main><h1>Page</h1><button id="mute"></button></main>')
    await using opened = await browser.newPage(site.origin)
    await opened.page.goto('/')
    await assert.rejects(assertAccessible(opened.page), /button-name at #mute: /)
  })

  test('a page has the language, zone, colours and size that a test asks for', async () => {
    await using site = await serve('')
    const zone = 'Intl.DateTimeFormat().resolvedOptions().timeZone'
    const options = {
      locale: 'de-DE',
      timezoneId: 'America/New_York',
      colorScheme: 'dark',
      viewport: { width: 360, height: 640 },
    } as const
    await using opened = await browser.newPage(site.origin, options)
    await opened.page.goto('/')
    assert.deepEqual(
      await opened.page.evaluate(
        `[navigator.language, ${zone}, matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]`,
      ),
      ['de-DE', 'America/New_York', true, 360],
    )
    await using usual = await browser.newPage(site.origin)
    assert.deepEqual(await usual.page.evaluate(`[navigator.language, ${zone}]`), ['en-GB', 'UTC'])
  })
})
