import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'
import { type TestApp } from '../support/app.ts'
import { assertAccessible } from '../support/browser.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { fillHistory } from '../support/history.ts'
import { click, clicksOf, digits, figure, names, rowOf, shows, statusOf } from './overview-page.ts'

const MINUTE_MS = 60_000
/** Of the minute half an hour ago: one click more, and there is a digit more. */
const COUNTS = new Map([
  [1, 999],
  [2, 20],
  [3, 998_950],
  [42, 30],
])

describeDashboard('the overview', (at) => {
  before(() => {
    const from = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS
    const history = { folder: folderOf(at.app), bannerIds: [...COUNTS.keys()] }
    fillHistory({
      ...history,
      from,
      to: from + MINUTE_MS,
      countOf: (id) => COUNTS.get(id) ?? 0,
    })
    // Hours ago: of the last day, but not of the last hour.
    fillHistory({
      ...history,
      from: from - 300 * MINUTE_MS,
      to: from - 299 * MINUTE_MS,
      countOf: () => 5,
    })
  })

  test('D5: it shows the last minute, hour and day, and every banner, most clicked first', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await shows(figure(page, 'This minute and the last'), '0')
    await shows(figure(page, 'Last hour'), '999,999')
    await shows(figure(page, 'Last 24 hours'), '1,000,019')
    await shows(figure(page, 'Click rate'), '0')
    await shows(clicksOf(page, 'Banner 3'), '998,950') // every digit, of the last hour
    const first = ['Banner 3', 'Banner 1', 'Banner 42', 'Banner 2', 'Banner 4', 'Banner 5']
    assert.deepEqual((await names(page)).slice(0, 6), first)
    await page.getByText('11 banners · 999,999 clicks in all').waitFor()
    // The minute with the clicks is the highest point of the line, and the rest of it is flat.
    const course = rowOf(page, 'Banner 2').getByRole('img', { name: 'Trend of Banner 2' })
    const line = await course.locator('.line').first().getAttribute('d')
    assert.equal(line?.match(/,1\.0/g)?.length, 1, line ?? 'no line')
    // The minute that runs is drawn apart: it has not fallen.
    assert.equal(await course.locator('.line.open').count(), 1)
    await assertAccessible(page)
    await opened.assertClean()
  })

  test('D5: a click sent by HTTP is seen without a reload, and nothing moves but numbers', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await page.evaluate(`window.isStillHere = true`)
    await statusOf(page, 'Live').waitFor()
    await shows(figure(page, 'Click rate'), '0')
    await shows(clicksOf(page, 'Banner 1'), digits(999))
    const places = await boxes(page)
    await click(at.app.origin, 1)
    await shows(clicksOf(page, 'Banner 1'), digits(1_000))
    await shows(figure(page, 'This minute and the last'), '1')
    await shows(figure(page, 'Last hour'), '1,000,000')
    await shows(figure(page, 'Last 24 hours'), '1,000,020')
    await figure(page, 'Click rate').filter({ hasText: /0\.\d/ }).waitFor()
    assert.deepEqual(await boxes(page), places)
    assert.equal(await page.evaluate(`window.isStillHere`), true)
    await opened.assertClean()
  })

  test('D5: nothing moves while the page loads, whatever comes first', async () => {
    for (const late of [/\/stats\?/, /\/banners\?/, /\/series\?/]) {
      await using opened = await at.newPage()
      const { page } = opened
      await page.addInitScript(`{
        window.shifts = []
        new PerformanceObserver((list) => {
          const moved = (entry) => entry.sources.map(({ node }) => node?.textContent.slice(0, 80))
          window.shifts.push(...list.getEntries().map(moved))
        }).observe({ type: 'layout-shift', buffered: true })
      }`)
      await page.route(late, async (route) => {
        await page.getByRole('heading', { name: 'Banners' }).waitFor()
        await pause(300) // the others are drawn
        await route.continue()
      })
      await page.goto('/')
      await shows(clicksOf(page, 'Banner 3'), '998,950')
      await rowOf(page, 'Banner 3').locator('.area').waitFor()
      assert.deepEqual(await page.evaluate('window.shifts'), [], String(late))
      await page.unrouteAll({ behavior: 'wait' })
      await opened.assertClean()
    }
  })

  test('D5: another range is shown when it is there; until then the one before it, as busy', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await shows(clicksOf(page, 'Banner 3'), '998,950')
    const held = Promise.withResolvers<undefined>()
    await page.route(/\/stats\?/, async (route) => {
      await held.promise
      await route.continue()
    })
    const order = await names(page)
    await page.getByRole('button', { name: 'Today' }).click()
    const busy = page.locator('[aria-busy=true]')
    await busy.getByRole('table').waitFor()
    assert.deepEqual(await names(page), order)
    await shows(clicksOf(page, 'Banner 3'), '998,950')
    assert.equal(await page.getByText('in all').count(), 0) // of what is listed, but not of this range
    held.resolve(undefined)
    await busy.waitFor({ state: 'detached' })
    await page.getByText('in all').waitFor()
    assert.deepEqual(await names(page), order)
    await page.unrouteAll({ behavior: 'wait' })
    await opened.assertClean()
  })

  test('D5: rows change places by themselves, but not while somebody points at them', async () => {
    await using pointing = await at.newPage()
    await using other = await at.newPage()
    await pointing.page.goto('/')
    await pointing.page.getByRole('searchbox').fill('Banner ') // everything but the paused one
    await shows(clicksOf(pointing.page, 'Banner 42'), '30')
    await clicksOf(pointing.page, 'Banner 42').hover()
    await other.page.goto('/')
    await statusOf(other.page, 'Live').waitFor()
    const order = await names(pointing.page)
    assert.deepEqual(order.slice(2, 4), ['Banner 42', 'Banner 2'])
    await shows(clicksOf(other.page, 'Banner 2'), '20')
    await click(at.app.origin, 2, 25)
    await shows(clicksOf(pointing.page, 'Banner 2'), '45')
    // The page that nobody points at was opened later, so that it has less reason to sort.
    await shows(other.page.getByRole('rowheader').nth(2), 'Banner 2')
    await click(at.app.origin, 2, 5)
    await shows(clicksOf(pointing.page, 'Banner 2'), '50')
    assert.deepEqual(await names(pointing.page), order)
    await pointing.page.getByRole('searchbox').hover()
    await shows(pointing.page.getByRole('rowheader').nth(2), 'Banner 2')
    await pointing.assertClean()
    await other.assertClean()
  })

  test('D5: banners are sorted by each column and found by name or id', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    const heading = (name: string): Locator => page.getByRole('columnheader', { name })
    const sortBy = async (name: string): Promise<void> => {
      await page.getByRole('button', { name, exact: true }).click()
    }
    await shows(page.getByRole('rowheader').first(), 'Banner 3')
    assert.equal(await heading('Clicks').getAttribute('aria-sort'), 'descending')
    await sortBy('ID')
    await shows(page.getByRole('rowheader').first(), 'Banner 1')
    assert.equal(await heading('ID').getAttribute('aria-sort'), 'ascending')
    assert.equal(await heading('Clicks').getAttribute('aria-sort'), 'none')
    await sortBy('ID')
    assert.deepEqual((await names(page)).slice(0, 3), ['Paused', 'Banner 42', 'Banner 9'])
    await sortBy('Name')
    assert.deepEqual((await names(page)).slice(-3), ['Banner 9', 'Banner 42', 'Paused'])
    await sortBy('Clicks')
    await sortBy('Clicks')
    assert.equal((await names(page)).at(-1), 'Banner 3')

    const search = page.getByRole('searchbox', { name: 'Search by name or ID' })
    await search.fill('PAUS')
    await page.getByText(/^1 banner ·/).waitFor()
    assert.deepEqual(await names(page), ['Paused'])
    await page.getByText(/^1 banner · 0 clicks in all$/).waitFor() // of what is listed
    await search.fill('42')
    assert.deepEqual(await names(page), ['Banner 42'])
    await page.reload() // the address has it
    await shows(page.getByRole('rowheader'), 'Banner 42')
    await search.fill('archived')
    await page.getByText('No banners found.').waitFor()
    await page.getByRole('checkbox', { name: 'Show archived' }).check()
    assert.deepEqual(await names(page), ['Archived'])
    await opened.assertClean()
  })

  test('D5: the order and the archived banners stand in the address', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await page.getByRole('checkbox', { name: 'Show archived' }).check()
    await page.getByRole('button', { name: 'Name', exact: true }).click()
    await page.getByRole('button', { name: 'Name', exact: true }).click()
    await page.waitForURL(/#\/\?tz=UTC&sort=-name&archived=true$/)
    const listed = await names(page)
    assert.deepEqual([listed[0], listed.at(-1)], ['Paused', 'Archived'])
    await page.reload()
    await page.getByRole('checkbox', { name: 'Show archived', checked: true }).waitFor()
    assert.deepEqual(await names(page), listed)
    await page.getByRole('link', { name: 'Paused' }).click()
    await page.getByRole('heading', { name: 'Paused', level: 1 }).waitFor()
    await page.goBack()
    await page.getByRole('checkbox', { name: 'Show archived', checked: true }).waitFor()
    assert.deepEqual(await names(page), listed)
    await opened.assertClean()
  })
})

/** Where everything stands that people read, point at or type into. */
async function boxes(page: Page): Promise<unknown[]> {
  const all = await page
    .getByRole('main')
    .locator('section, dl > div, th, tr, td, input, button')
    .all()
  return await Promise.all(all.map((each) => each.boundingBox()))
}

function folderOf({ store }: TestApp): string {
  assert.equal(store.kind, 'sqlite')
  return store.kind === 'sqlite' ? store.folder : ''
}
