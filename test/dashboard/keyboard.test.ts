import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { jsonOf, startTestApp } from '../support/app.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'

/** More than any view has. */
const STOPS_MAX = 60

describeDashboard('the dashboard by keyboard', (at) => {
  test('D16: Tab leads to everything of a banner that can be pressed or filled in, in its order', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42')
    await page.getByRole('button', { name: 'Archive' }).waitFor()
    assert.deepEqual(await stops(page), [
      'Skip to main content',
      'Tallymark',
      'API',
      'Language',
      '← Overview',
      'Last hour',
      'Today',
      '7 days',
      '30 days',
      'Custom range',
      'Step',
      'Time zone',
      'Chart',
      'Table',
      'Download as CSV',
      'code',
      'Copy: curl',
      'code',
      'Copy: HTML',
      'code',
      'Copy: JavaScript',
      'Send a test click',
      'Name',
      'Destination',
      'Save',
      'Pause',
      'Archive',
    ])
    await opened.assertClean()
  })

  test('D16: the first stop leads past the head of the page', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await page.getByRole('searchbox').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate('document.activeElement.id'), 'main')
    await page.keyboard.press('Tab')
    assert.equal(
      await page.evaluate('document.querySelector("main").contains(document.activeElement)'),
      true,
    )
    assert.match(page.url(), /#\/\?tz=UTC$/) // it is no link to #main
    await opened.assertClean()
  })

  test('D16: a range is chosen and a banner added without a mouse', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?tz=UTC')
    await page.getByRole('button', { name: 'Archive' }).waitFor()
    await tabTo(page, 'Custom range')
    await page.keyboard.press('Enter')
    await typeTime(page, 'From', '03032026', '0130')
    await typeTime(page, 'To', '04042026', '0630')
    await page.keyboard.press('Enter')
    await page.waitForURL(/from=2026-03-03T01:30Z&to=2026-04-04T06:30Z/)

    await page.goto('/')
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    await tabTo(page, 'Add a banner')
    await page.keyboard.press('Enter')
    await page.waitForURL(/#\/new$/)
    // What is new has the focus, so that the next stop is in it.
    await becomes(() => page.evaluate('document.activeElement.id'), 'main')
    await tabTo(page, 'Name')
    await page.keyboard.type('By keyboard')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'By keyboard', level: 1 }).waitFor()
    const [, id = ''] = /#\/banners\/(\d+)/.exec(page.url()) ?? []
    assert.equal(
      (await jsonOf(await fetch(`${at.app.origin}/banners/${id}`)))['name'],
      'By keyboard',
    )
    await opened.assertClean()
  })

  test('D16: the question for a token has the focus, keeps it, and Escape declines', async () => {
    const READ_TOKEN = 'read-token-of-the-tests'
    await using guarded = await startTestApp({ READ_TOKEN })
    await using opened = await at.browser.newPage(guarded.origin)
    const { page } = opened
    await page.goto('/')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    await becomes(() => focused(page), 'Token')
    const around = new Set<string>()
    for (let stop = 0; stop < 8; stop += 1) {
      await page.keyboard.press('Tab')
      around.add(await focused(page))
    }
    around.delete('body') // the browser's own frame
    assert.deepEqual([...around].toSorted(), ['Cancel', 'Continue', 'Token'])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Try again' }).waitFor()
    await tabTo(page, 'Try again')
    await page.keyboard.press('Enter')
    await becomes(() => focused(page), 'Token')
    await page.keyboard.type(READ_TOKEN)
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'Banner 42' }).waitFor()
    await opened.assertClean(/^console\.error: .* 401 /)
  })
})

/** What the focus is on, by the name that a screen reader says. */
async function focused(page: Page): Promise<string> {
  return await page.evaluate<string>(`(() => {
    const element = document.activeElement
    if (element === null || element === document.body) return 'body'
    if (element.localName === 'code') return 'code'
    const label = element.labels?.[0]
    const own = label?.querySelector('.hidden') ?? label?.firstChild ?? element
    return (element.getAttribute('aria-label') ?? own.textContent).trim()
  })()`)
}

/** Every stop of a round with Tab. */
async function stops(page: Page): Promise<string[]> {
  const found: string[] = []
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    await page.keyboard.press('Tab')
    const name = await focused(page)
    if (name === 'body' || (found.length > 1 && name === found[0])) break
    found.push(name)
  }
  return found
}

/** Day and month are alike, and it is morning: browsers ask for them in the order of their own language. */
async function typeTime(page: Page, label: string, day: string, time: string): Promise<void> {
  await tabTo(page, label)
  await page.keyboard.type(`${day}${time}a`) // a year has four digits: the hour follows by itself
}

async function tabTo(page: Page, name: string): Promise<void> {
  for (let stop = 0; stop < STOPS_MAX; stop += 1) {
    if ((await focused(page)) === name) return
    await page.keyboard.press('Tab')
  }
  assert.fail(`Tab does not lead to ${name}`)
}
