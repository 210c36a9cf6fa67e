import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAccessible } from '../support/browser.ts'
import { describeDashboard } from '../support/dashboard.ts'

describeDashboard('the dashboard in a browser', (at) => {
  test('D4: it opens under its policy, asks no other host, and is accessible', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const answer = await page.goto('/')
    assert.match(answer?.headers()['content-security-policy'] ?? '', /^default-src 'none'; script/)
    await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
    await assertAccessible(page)
    await opened.assertClean()
  })

  test('D2: a browser that has it asks whether it is the same, and keeps the files beside it', async () => {
    await using opened = await at.newPage()
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
