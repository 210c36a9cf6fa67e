import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { startTestApp } from '../support/app.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'

const ADMIN_TOKEN = 'admin-token-of-the-tests'

describeDashboard('the focus on the dashboard', (at) => {
  test('D16: what was pressed keeps the focus while the service works, and takes no second press', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const changes = holdChanges(page)
    await page.goto('/#/banners/1')
    await page.getByRole('textbox', { name: 'Name' }).fill('Once')
    const save = page.getByRole('button', { name: 'Save' })
    await press(save)
    await becomes(() => save.getAttribute('aria-disabled'), 'true')
    await page.keyboard.press('Enter')
    assert.equal(await hasFocus(save), true)
    changes.release()
    await page.getByRole('heading', { name: 'Once', level: 1 }).waitFor()
    await becomes(() => save.getAttribute('aria-disabled'), 'false')
    assert.equal(await hasFocus(save), true)
    assert.equal(changes.sent(), 1)
    await opened.assertClean()
  })

  test('D16: after a test click its button has the focus, also the first click of all', async () => {
    await using fresh = await startTestApp()
    await using opened = await at.browser.newPage(fresh.origin)
    const { page } = opened
    await page.goto('/')
    for (const path of ['/', '/#/banners/1']) {
      await page.goto(path)
      const send = page.getByRole('button', { name: 'Send a test click' })
      await press(send)
      await page.getByText(/^Arrived: /).waitFor()
      assert.equal(await hasFocus(send), true)
    }
    await opened.assertClean()
  })

  test('D16: the last page of a table is reached without losing the place', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(
      '/#/banners/1?from=2026-03-01T00:00Z&to=2026-03-08T00:00Z&step=hour&tz=UTC&as=table',
    )
    const pages = page.getByRole('navigation', { name: 'Pages' })
    const [previous, next] = ['Previous', 'Next'].map((name) =>
      pages.getByRole('button', { name, exact: true }),
    )
    assert.ok(previous && next)
    assert.equal(await previous.getAttribute('aria-disabled'), 'true')
    await press(next)
    await pages.getByText('101–168 of 168').waitFor()
    await becomes(() => next.getAttribute('aria-disabled'), 'true')
    await page.keyboard.press('Enter')
    assert.equal(await hasFocus(next), true)
    assert.equal(await pages.getByText('101–168 of 168').count(), 1)
    await opened.assertClean()
  })

  test('D16: the question for a token gives the focus back to what was pressed', async () => {
    await using guarded = await startTestApp({ ADMIN_TOKEN })
    await using opened = await at.browser.newPage(guarded.origin)
    const { page } = opened
    await page.goto('/#/banners/1')
    await page.getByRole('textbox', { name: 'Name' }).fill('By the admin')
    const save = page.getByRole('button', { name: 'Save' })
    const dialog = page.getByRole('dialog')
    await press(save)
    await dialog.waitFor()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await becomes(() => hasFocus(save), true)
    await page.keyboard.press('Enter')
    await dialog.getByLabel('Token').fill(ADMIN_TOKEN)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'By the admin', level: 1 }).waitFor()
    await becomes(() => hasFocus(save), true)
    await opened.assertClean(/^console\.error: .* 40[13] /)
  })
})

/** By keyboard: a pointer would move the focus. */
async function press(button: Locator): Promise<void> {
  await button.focus()
  await button.press('Enter')
}

async function hasFocus(element: Locator): Promise<boolean> {
  return (await element.and(element.page().locator(':focus')).count()) === 1
}

/** Changes of banners are answered once they are released. */
function holdChanges(page: Page) {
  const released = Promise.withResolvers<undefined>()
  let sent = 0
  void page.route(/\/banners\/\d+$/, async (route) => {
    if (route.request().method() === 'PATCH') {
      sent += 1
      await released.promise
    }
    await route.continue()
  })
  return { release: () => released.resolve(undefined), sent: () => sent }
}
