import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'
import {
  assertAccessible,
  NEEDS_BROWSER,
  openBrowser,
  type TestBrowser,
} from '../support/browser.ts'

describe('the dashboard in a browser', NEEDS_BROWSER, () => {
  let app: TestApp
  let browser: TestBrowser
  before(async () => {
    app = await startTestApp()
    browser = await openBrowser()
  })
  after(async () => {
    await browser[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  })

  test('D4: it opens under its policy, asks no other host, and is accessible', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    const answer = await page.goto('/')
    assert.match(answer?.headers()['content-security-policy'] ?? '', /^default-src 'none'; script/)
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
    await assertAccessible(page)
    await opened.assertClean()
  })

  test('D2: a browser that has it asks whether it is the same, and keeps the files beside it', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    const heading = page.getByRole('heading', { name: 'Overview', level: 1 })
    for (const visit of ['/', 'about:blank', '/']) {
      await page.goto(visit)
      if (visit === '/') await heading.waitFor()
    }
    const entries = await page.evaluate<[name: string, bytes: number][]>(
      `['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
        .map(({ name, transferSize }) => [new URL(name).pathname, transferSize])`,
    )
    const bytesOf = (path: RegExp) => entries.find(([name]) => path.test(name))?.[1]
    assert.equal(bytesOf(/^\/$/), 300) // what browsers say of a 304, whatever it weighs
    assert.equal(bytesOf(/^\/assets\/.*\.js$/), 0)
    assert.equal(bytesOf(/^\/assets\/.*\.css$/), 0)
    // The headers of the 304 are those of the page now, its policy among them.
    await opened.assertClean()
  })
})
