import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'
import { statusOf } from './overview-page.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

describeDashboard('what the dashboard asks of the service', (at) => {
  test('D17: what the service refuses is asked for once, until somebody wants it again', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.clock.install()
    const asked = requestsOf(page, /\/(banners|series|live)/)
    await page.goto('/#/banners/4711')
    await page.getByRole('heading', { name: 'There is no banner 4711.' }).waitFor()
    const known = asked.length
    await page.clock.fastForward(2 * MINUTE_MS)
    await settled()
    assert.deepEqual(asked.slice(known), [])
    await opened.assertClean(/404/)
  })

  test('D17: a service that cannot answer is left alone for as long as it asks', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.clock.install()
    await page.route('**/series?*', (route) =>
      route.fulfill({ status: 503, headers: { 'retry-after': '100' }, body: '' }),
    )
    await page.goto('/#/banners/9')
    await page.getByRole('button', { name: 'Try again' }).waitFor()
    const asked = requestsOf(page, /\/series/)
    await page.clock.fastForward(30_000)
    await settled()
    assert.deepEqual(asked, [])
    await page.unroute('**/series?*')
    await page.clock.fastForward(100_000)
    await page.getByRole('button', { name: 'Try again' }).waitFor({ state: 'detached' })
    await opened.assertClean(/503/)
  })

  test('D17: whoever goes on while an answer is on its way sees that of the last choice', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const late = Promise.withResolvers<undefined>()
    await page.route(/series\?.*step=hour/, async (route) => {
      await late.promise
      await route.continue()
    })
    await page.goto('/')
    await page.getByRole('button', { name: '7 days' }).click()
    await page.getByRole('button', { name: '30 days' }).click()
    late.resolve(undefined)
    await becomes(() => pointsOf(page), 30)
    await settled() // the first answer would have come
    assert.equal(await pointsOf(page), 30)
    await opened.assertClean()
  })

  test('D17: rows that change places ask for nothing', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await becomes(() => pointsOf(page), 61)
    const asked = requestsOf(page, /\/series/)
    await page.getByRole('button', { name: 'Name' }).click()
    await page.getByRole('button', { name: 'ID' }).click()
    await settled()
    assert.deepEqual(asked, [])
    await opened.assertClean()
  })

  test('D7: no range is asked for by a clock of the browser that is wrong', async () => {
    for (const path of ['/', '/#/banners/3']) {
      await using opened = await at.newPage()
      const { page } = opened
      await page.clock.install({ time: Date.now() - 3 * HOUR_MS })
      const asked = requestsOf(page, /\/(stats|series)\?/)
      await page.goto(path)
      await statusOf(page, 'Live').waitFor()
      await becomes(() => asked.length > 1, true)
      for (const address of asked) {
        const to = Number(new URL(address).searchParams.get('tsTo'))
        // The totals end ten minutes ago where the stream tells the rest, an hour ago for the period before.
        const lagMs = Date.now() - to
        assert.ok(lagMs < 61 * MINUTE_MS + MINUTE_MS && lagMs > -MINUTE_MS, address)
      }
      await opened.assertClean()
    }
  })
})

/** The addresses of those that match, as they are asked for. */
function requestsOf(page: Page, pattern: RegExp): string[] {
  const asked: string[] = []
  page.on('request', (request) => {
    if (pattern.test(request.url())) asked.push(request.url())
  })
  return asked
}

/** Long enough for a request that should not be: nothing can be waited for. */
async function settled(): Promise<void> {
  await pause(1_000)
}

/** Of the first small picture; the last one is that of what is not over yet. */
async function pointsOf(page: Page): Promise<number> {
  const course = page.locator('.course').first()
  const line = await course.locator('.line').first().getAttribute('d')
  return (line?.split('L').length ?? 0) + (await course.locator('.line.open').count())
}
