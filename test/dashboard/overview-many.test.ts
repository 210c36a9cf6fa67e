import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { startTestApp, type TestApp } from '../support/app.ts'
import { NEEDS_BROWSER, openBrowser, type TestBrowser } from '../support/browser.ts'
import { fillHistory } from '../support/history.ts'
import { temporaryFolder } from '../support/service.ts'
import { click, clicksOf, digits, figure, names, setHidden, shows } from './overview-page.ts'

const MINUTE_MS = 60_000
const BANNERS = 10_000
const IDS = Array.from({ length: BANNERS }, (_, index) => index + 1)

describe('ten thousand banners', NEEDS_BROWSER, () => {
  const resources = new AsyncDisposableStack()
  let app: TestApp
  let browser: TestBrowser
  before(async () => {
    const folder = resources.use(temporaryFolder()).path
    const path = join(folder, 'banners.json')
    writeFileSync(path, JSON.stringify(IDS.map((id) => ({ id, name: `Banner ${id}` }))))
    const settings = { BANNERS_FILE: path, DATA_DIR: join(folder, 'data') }
    app = resources.use(await startTestApp(settings))
    const from = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS
    // The first has the most, 10,000, and the last one click.
    fillHistory({
      folder: settings.DATA_DIR,
      bannerIds: IDS,
      from,
      to: from + MINUTE_MS,
      countOf: (id) => BANNERS + 1 - id,
    })
    browser = resources.use(await openBrowser())
  })
  after(() => resources.disposeAsync())

  test('D6: they are listed fifty on a page, sorted and searched all together', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await page.getByText(/^10,000 banners · 50,005,000 clicks in all$/).waitFor()
    await shows(figure(page, 'Last hour'), '50,005,000')
    await page.getByText('1–50 of 10,000').waitFor()
    assert.deepEqual(await names(page), IDS.slice(0, 50).map(nameOf))
    await page.getByRole('button', { name: 'Next', exact: true }).click()
    await page.getByText('51–100 of 10,000').waitFor()
    assert.deepEqual(await names(page), IDS.slice(50, 100).map(nameOf))
    await shows(clicksOf(page, 'Banner 51'), digits(9_950))
    // What the page shows of them comes with them.
    await page.getByRole('img', { name: 'Trend of Banner 51' }).locator('.area').waitFor()

    await page.getByRole('button', { name: 'Clicks', exact: true }).click()
    await page.getByText('1–50 of 10,000').waitFor()
    assert.deepEqual(await names(page), IDS.slice(-50).toReversed().map(nameOf))
    assert.ok(await page.getByRole('button', { name: 'Previous', exact: true }).isDisabled())
    await page.getByRole('searchbox').fill('banner 99')
    await page.getByText(/^111 banners ·/).waitFor() // 99, 990 to 999 and 9900 to 9999
    await page.getByRole('searchbox').fill('9876')
    await shows(page.getByRole('rowheader'), 'Banner 9876')
    await shows(clicksOf(page, 'Banner 9876'), '125')
    await click(app.origin, 9_876)
    await shows(clicksOf(page, 'Banner 9876'), '126')
    await opened.assertClean()
  })

  test('D6: until all of them are there it tells how many are, and no sum', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    const held = Promise.withResolvers<undefined>()
    await page.route(/\/banners\?.*after=2000$/, async (route) => {
      await held.promise
      await route.continue()
    })
    await page.goto('/')
    await page.getByText(/^Loading… 2,000 banners$/).waitFor()
    await figure(page, 'Last hour')
      .getByText(/^50,005,/)
      .waitFor()
    assert.equal(await page.getByText('in all').count(), 0)
    assert.equal(await page.getByRole('row').count(), 0)
    held.resolve(undefined)
    await page.getByText(/^10,000 banners · 50,005,\d+ clicks in all$/).waitFor()
    assert.deepEqual(await names(page), IDS.slice(0, 50).map(nameOf))
    await page.unrouteAll({ behavior: 'wait' })
    await opened.assertClean()
  })

  test('D6: another page begins at its head, and the way back leads to the row that was left', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    const next = page.getByRole('button', { name: 'Next', exact: true })
    await next.press('Enter')
    await page.getByText('51–100 of 10,000').waitFor()
    const head = page.getByRole('columnheader', { name: 'Name' })
    const { y = -Infinity } = (await head.boundingBox()) ?? {}
    assert.ok(Math.round(y) >= 0 && y < 100, String(y))
    assert.equal(await next.evaluate((button) => button.matches(':focus')), true)
    const link = page.getByRole('link', { name: 'Banner 90', exact: true })
    await link.scrollIntoViewIfNeeded()
    const place = await link.boundingBox()
    await link.click()
    await page.getByRole('heading', { name: 'Banner 90', level: 1 }).waitFor()
    assert.equal(await page.evaluate('scrollY'), 0)
    await page.goBack()
    await page.getByText('51–100 of 10,000').waitFor()
    assert.deepEqual(await link.boundingBox(), place)
    await page.reload()
    await page.getByText('1–50 of 10,000').waitFor()
    await opened.assertClean()
  })

  test('D6: all of them stay listed while the list is read again', async () => {
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await page.getByText(/^10,000 banners ·/).waitFor()
    await page.getByRole('button', { name: 'Next', exact: true }).click()
    await page.getByText('51–100 of 10,000').waitFor()
    const held = Promise.withResolvers<undefined>()
    const asked = Promise.withResolvers<undefined>()
    await page.route(/\/banners\?.*after=1000$/, async (route) => {
      asked.resolve(undefined)
      await held.promise // the first page of the list is there, and no more of it
      await route.continue()
    })
    await setHidden(page, true)
    await setHidden(page, false) // then everything is read again
    await asked.promise
    await click(app.origin, 60)
    await shows(clicksOf(page, 'Banner 60'), digits(9_942))
    assert.equal(await page.getByText('51–100 of 10,000').count(), 1)
    assert.equal(await page.getByText(/^10,000 banners ·/).count(), 1)
    held.resolve(undefined)
    await page.unrouteAll({ behavior: 'wait' })
    await opened.assertClean()
  })
})

function nameOf(id: number): string {
  return `Banner ${id}`
}
