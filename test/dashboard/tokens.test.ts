import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startTestApp } from '../support/app.ts'
import { NEEDS_BROWSER, openBrowser, type TestBrowser } from '../support/browser.ts'
import { becomes } from '../support/shown.ts'

const READ_TOKEN = 'read-token-of-the-tests'
const ADMIN_TOKEN = 'admin-token-of-the-tests'
const REFUSED = /^console\.error: .* 40[13] /

describe('tokens on the dashboard', NEEDS_BROWSER, () => {
  let browser: TestBrowser
  before(async () => void (browser = await openBrowser()))
  after(() => browser[Symbol.asyncDispose]())

  test('D13: a service with a read token asks for it once, and keeps it for the tab alone', async () => {
    await using app = await startTestApp({ READ_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    const addresses = addressesOf(page)
    await page.goto('/')
    await dialogOf(page, 'read').waitFor()
    await give(page, READ_TOKEN)
    await page.getByRole('link', { name: 'Banner 42' }).click()
    await page.getByRole('img', { name: /^Clicks on Banner 42/ }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    await page.reload()
    await page.getByRole('img', { name: /^Clicks on Banner 42/ }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)

    assert.doesNotMatch(await page.evaluate<string>('JSON.stringify(localStorage)'), /token/)
    assert.equal(await page.evaluate('document.cookie'), '')
    assert.ok(addresses.length > 10)
    assert.doesNotMatch(addresses.join('\n'), new RegExp(READ_TOKEN))
    assert.doesNotMatch(app.log(), new RegExp(READ_TOKEN))

    // A tab of its own knows nothing of it, nor does another person.
    const tab = await page.context().newPage()
    await tab.goto('/')
    await dialogOf(tab, 'read').waitFor()
    await using other = await browser.newPage(app.origin)
    await other.page.goto('/')
    await dialogOf(other.page, 'read').waitFor()
    await opened.assertClean(REFUSED)
    await other.assertClean(REFUSED)
  })

  test('D13: a wrong token is said to be wrong, and asked for again', async () => {
    await using app = await startTestApp({ READ_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await give(page, 'not-the-token-at-all')
    await page.getByText('Wrong token.').waitFor()
    await give(page, 'токен') // no header can carry it
    await page.getByText('Wrong token.').waitFor()
    await give(page, READ_TOKEN)
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await opened.assertClean(REFUSED)
  })

  test('D13: who declines is told what is missing, and asked again on their own wish alone', async () => {
    await using app = await startTestApp({ READ_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/')
    await dialogOf(page, 'read').getByRole('button', { name: 'Cancel' }).click()
    await page
      .getByRole('status')
      .getByText('A token is needed: without it the service shows and changes nothing.')
      .waitFor()
    // It tries again and again, and asks nobody.
    await page.waitForResponse((response) => response.status() === 401)
    await page.waitForResponse((response) => response.status() === 401)
    assert.equal(await page.getByRole('dialog').count(), 0)
    await page.getByRole('button', { name: 'Try again' }).click()
    await give(page, READ_TOKEN)
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    await opened.assertClean(REFUSED)
  })

  test('D13: the admin token is asked for when a banner is changed, and not before', async () => {
    await using app = await startTestApp({ ADMIN_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/#/banners/1')
    await page.getByRole('img', { name: /^Clicks on Banner 1/ }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await rename(page, 'By the admin')
    await dialogOf(page, 'admin').getByRole('button', { name: 'Cancel' }).click()
    await page
      .getByRole('alert')
      .getByText(/^A token is needed: /)
      .waitFor()
    await page.getByRole('heading', { name: 'Banner 1', level: 1 }).waitFor()
    // What was typed is still there, and a second wish asks a second time.
    await page.getByRole('button', { name: 'Save' }).click()
    await give(page, 'a-wrong-token-of-somebody')
    await page.getByText('Wrong token.').waitFor()
    await give(page, ADMIN_TOKEN)
    await page.getByRole('heading', { name: 'By the admin', level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('heading', { name: 'By the admin paused', level: 1 }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await opened.assertClean(REFUSED)
  })

  test('D13: whoever has the read token alone is asked for the admin’s to change a banner', async () => {
    await using app = await startTestApp({ READ_TOKEN, ADMIN_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/#/banners/1')
    await give(page, READ_TOKEN)
    await page.getByRole('img', { name: /^Clicks on Banner 1/ }).waitFor()
    await rename(page, 'Renamed')
    await dialogOf(page, 'admin').waitFor()
    assert.equal(await page.getByText('Wrong token.').count(), 0)
    await give(page, ADMIN_TOKEN)
    await page.getByRole('heading', { name: 'Renamed', level: 1 }).waitFor()
    await opened.assertClean(REFUSED)
  })

  test('D13: who declines one token is still asked for the other', async () => {
    await using app = await startTestApp({ READ_TOKEN, ADMIN_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/#/new')
    await rename(page, 'New', 'Add a banner')
    await dialogOf(page, 'admin').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('link', { name: '← Overview' }).click()
    await dialogOf(page, 'read').waitFor()
    await give(page, READ_TOKEN)
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    await opened.assertClean(REFUSED)
  })

  test('D13: the admin token opens everything, so that nobody is asked twice', async () => {
    await using app = await startTestApp({ READ_TOKEN, ADMIN_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/#/banners/1')
    await give(page, ADMIN_TOKEN)
    await page.getByRole('img', { name: /^Clicks on Banner 1/ }).waitFor()
    await rename(page, 'Renamed')
    await page.getByRole('heading', { name: 'Renamed', level: 1 }).waitFor()
    await opened.assertClean(REFUSED)
  })

  test('D13: a refusal that comes late does not ask for the token that was given meanwhile', async () => {
    await using app = await startTestApp({ READ_TOKEN })
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    const held = Promise.withResolvers<undefined>()
    let isFirst = true
    await page.route('**/series?*', async (route) => {
      const response = await route.fetch()
      if (isFirst) {
        isFirst = false
        await held.promise
      }
      await route.fulfill({ response })
    })
    await page.goto('/#/banners/42')
    await give(page, READ_TOKEN)
    await page.getByRole('heading', { name: 'Banner 42', level: 1 }).waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    held.resolve(undefined)
    await page.getByRole('img', { name: /^Clicks on Banner 42/ }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    await opened.assertClean(REFUSED)
  })

  test('D13: a service without tokens asks for none', async () => {
    await using app = await startTestApp()
    await using opened = await browser.newPage(app.origin)
    const { page } = opened
    await page.goto('/#/banners/1')
    await page.getByRole('img', { name: /^Clicks on Banner 1/ }).waitFor()
    await rename(page, 'Renamed')
    await page.getByRole('heading', { name: 'Renamed', level: 1 }).waitFor()
    assert.equal(await page.getByRole('dialog').count(), 0)
    assert.equal(await page.evaluate('sessionStorage.length'), 0)
    await opened.assertClean()
  })
})

function dialogOf(page: Page, kind: 'read' | 'admin') {
  const name = {
    read: 'Enter the read token to see the numbers.',
    admin: 'Enter the admin token to change banners.',
  }[kind]
  return page.getByRole('dialog', { name })
}

async function give(page: Page, token: string): Promise<void> {
  const input = page.getByRole('dialog').getByLabel('Token')
  await becomes(() => input.inputValue(), '') // a question of its own after a wrong one
  await input.fill(token)
  await page.getByRole('dialog').getByRole('button', { name: 'Continue' }).click()
}

async function rename(page: Page, name: string, button = 'Save'): Promise<void> {
  await page.getByRole('textbox', { name: 'Name' }).fill(name)
  await page.getByRole('button', { name: button }).click()
}

/** Of every request that the page makes, and where it was. */
function addressesOf(page: Page): readonly string[] {
  const addresses: string[] = []
  page.on('request', (request) => addresses.push(request.url()))
  page.on('framenavigated', (frame) => addresses.push(frame.url()))
  return addresses
}
