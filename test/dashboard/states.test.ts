import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { startTestApp } from '../support/app.ts'
import { assertAccessible } from '../support/browser.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'
import { temporaryFolder } from '../support/service.ts'
import { click, clicksOf, figure, rowOf, shows, statusOf } from './overview-page.ts'

const UNREACHABLE = /The service does not answer\. Trying again/
const LOST = /The connection is lost\./

describeDashboard('what the page shows when there is little to show', (at) => {
  before(async () => {
    await click(at.app.origin, 1)
  })

  test('D9: a new installation shows how to send the first click', async () => {
    await using fresh = await startTestApp()
    await using opened = await at.browser.newPage(fresh.origin)
    const { page } = opened
    await page.goto('/')
    const welcome = page.getByRole('region', { name: 'No clicks yet' })
    await welcome.getByText(`curl -X POST ${fresh.origin}/counter/1`).waitFor()
    await shows(figure(page, 'Last 24 hours'), '0')
    await assertAccessible(page)
    await welcome.getByRole('button', { name: 'Send a test click' }).click()
    await shows(clicksOf(page, 'Banner 1'), '1')
    await shows(figure(page, 'This minute and the last'), '1')
    // It stays until it has been read.
    const done = page.getByRole('region', { name: 'The first click is counted' })
    await done.getByText(/^Arrived: /).waitFor()
    await shows(figure(page, 'This minute and the last'), '1')
    assert.equal(await done.count(), 1)
    await page.reload()
    await shows(clicksOf(page, 'Banner 1'), '1')
    assert.equal((await welcome.count()) + (await done.count()), 0)
    await opened.assertClean()
  })

  test('D9: without banners it says so, once, and leads to the first', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'banners.json')
    writeFileSync(path, '[]')
    await using bare = await startTestApp({ BANNERS_FILE: path })
    await using opened = await at.browser.newPage(bare.origin)
    const { page } = opened
    await page.goto('/')
    await page.getByText('There are no banners yet.').waitFor() // refuses to find two of them
    await assertAccessible(page)
    await page.getByRole('link', { name: 'Add a banner' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('The first')
    await page.getByRole('button', { name: 'Add a banner' }).click()
    await page.getByRole('heading', { name: 'The first', level: 1 }).waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await rowOf(page, 'The first').waitFor()
    await opened.assertClean()
  })

  test('D9: while nothing is known it says that it loads, and shows no number', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const held = Promise.withResolvers<undefined>()
    await page.route(/\/(banners|stats|series|live)/, async (route) => {
      await held.promise
      await route.continue()
    })
    await page.goto('/')
    await page.getByText('Loading…').waitFor()
    await statusOf(page, 'Connecting…').waitFor()
    await shows(figure(page, 'Last hour'), '—')
    await assertAccessible(page)
    held.resolve(undefined)
    await shows(clicksOf(page, 'Banner 1'), '1')
    assert.equal(await page.getByText('Loading…').count(), 0)
    await page.unrouteAll({ behavior: 'wait' })
    await opened.assertClean()
  })

  test('D9: where nothing loads it is not said to load, and what is wrong is said once', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.route(/\/(banners|stats|series|live|healthz)/, (route) => route.abort())
    for (const path of ['/', '/#/banners/1']) {
      await page.goto(path)
      await statusOf(page, UNREACHABLE).waitFor()
      assert.equal(await page.getByText('Loading…').count(), 0)
      assert.equal(await statusOf(page, LOST).count(), 0)
      assert.equal(await page.locator('.notice').count(), 1)
    }
    await page.unrouteAll({ behavior: 'wait' })
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByRole('heading', { name: 'Banner 1', level: 1 }).waitFor()
    await opened.assertClean(/net::ERR_FAILED/)
  })

  test("D9: an error is told in the service's words, and asked again by itself or by hand", async () => {
    await using opened = await at.newPage()
    const { page } = opened
    let isFailing = true
    await page.route(/\/stats\?/, async (route) => {
      const body = {
        title: 'Store unavailable',
        code: 'store_unavailable',
        detail: 'It is <b>away</b>.',
      }
      if (!isFailing) return await route.continue()
      const contentType = 'application/problem+json'
      return await route.fulfill({ status: 503, contentType, body: JSON.stringify(body) })
    })
    await page.goto('/')
    await statusOf(page, 'The service answers: It is <b>away</b>.').waitFor()
    await rowOf(page, 'Banner 1').waitFor() // what can be shown is
    await shows(figure(page, 'Last hour'), '—')
    await assertAccessible(page)
    isFailing = false
    await page.getByRole('button', { name: 'Try again' }).click()
    await statusOf(page, /^Live$/).waitFor()
    await shows(figure(page, 'Last hour'), '1')
    isFailing = true
    await statusOf(page, 'The service answers:').waitFor()
    await shows(figure(page, 'Last hour'), '1') // what is known stays
    isFailing = false
    await statusOf(page, /^Live$/).waitFor()
    await opened.assertClean(/status of 503/)
  })

  test('D9: without a network it says so, keeps what it knows, and comes back by itself', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await statusOf(page, /^Live$/).waitFor()
    await shows(clicksOf(page, 'Banner 1'), '1')
    await page.context().setOffline(true)
    await statusOf(page, UNREACHABLE).waitFor()
    await shows(clicksOf(page, 'Banner 1'), '1')
    await assertAccessible(page)
    await page.context().setOffline(false)
    await statusOf(page, /^Live$/).waitFor()
    await click(at.app.origin, 2)
    await shows(clicksOf(page, 'Banner 2'), '1')
    await opened.assertClean(/net::ERR_INTERNET_DISCONNECTED/)
  })

  test('D9: a stream that breaks is said, and the page connects again', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.route(/\/live$/, (route) => route.abort())
    await page.goto('/')
    await statusOf(page, LOST).waitFor()
    await click(at.app.origin, 3)
    await shows(clicksOf(page, 'Banner 3'), '1') // asked for meanwhile
    await page.unrouteAll({ behavior: 'wait' })
    await statusOf(page, /^Live$/).waitFor()
    await click(at.app.origin, 3)
    await shows(clicksOf(page, 'Banner 3'), '2')
    await opened.assertClean(/net::ERR_FAILED/)
  })

  test('D9: numbers that are behind by more than five seconds are said to be', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    let behindMs = 12_000
    await page.route(/\/stats\?/, async (route) => {
      const response = await route.fetch()
      const body = (await response.json()) as { completeUntil: string }
      const answeredAt = Date.parse(response.headers()['date'] ?? '')
      const completeUntil = new Date(answeredAt - behindMs).toISOString()
      await route.fulfill({ response, json: { ...body, completeUntil } })
    })
    await page.goto('/')
    const counted = page.getByText(/^Counted up to \d\d:\d\d:\d\d \(12 seconds ago\)\./)
    await counted.waitFor()
    // A screen reader is told when it turns, and not of every second.
    await statusOf(page, /^Live\s*The numbers are late\.$/).waitFor()
    assert.equal(await page.getByRole('status').filter({ has: counted }).count(), 0)
    behindMs = 2 * 86_400_000
    await page.getByText(/^Counted up to .*\d{4}, \d\d:\d\d:\d\d \(2 days ago\)\./).waitFor()
    behindMs = 1_000
    await statusOf(page, /^Live\s*The numbers are up to date again\.$/).waitFor()
    assert.equal(await page.getByText(/^Counted up to/).count(), 0)
    await page.unrouteAll({ behavior: 'wait' })
    await opened.assertClean()
  })

  test('D9: an address that nothing has leads back', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/nowhere')
    await page.getByRole('heading', { name: 'There is no such page.' }).waitFor()
    await becomes(() => page.title(), 'There is no such page. – Tallymark')
    await page.getByRole('link', { name: 'To the overview' }).click()
    await rowOf(page, 'Banner 1').waitFor()
    await page.goto('/#/banners/77')
    await page.getByRole('heading', { name: /77/ }).waitFor()
    await becomes(() => page.title(), 'There is no banner 77. – Tallymark')
    await page.getByRole('link', { name: 'To the overview' }).click()
    await rowOf(page, 'Banner 1').waitFor()
    await opened.assertClean(/status of 404/)
  })
})
