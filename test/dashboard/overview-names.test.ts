import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { describeDashboard } from '../support/dashboard.ts'
import { becomes } from '../support/shown.ts'
import { click, clicksOf, rowOf, shows, statusOf } from './overview-page.ts'

const HOSTILE = `<img src=x onerror="document.title='owned'">`
const ENTITIES = '&lt;b&gt; "quoted" ${1} %41'
const IDS = { hostile: 777, entities: 778 }

describeDashboard('names that are no words', (at) => {
  before(async () => {
    await addBanner(at.app.origin, {
      id: IDS.hostile,
      name: HOSTILE,
      url: `https://a.example/?"'<b>`,
    })
    await addBanner(at.app.origin, { id: IDS.entities, name: ENTITIES, url: null })
    await click(at.app.origin, IDS.hostile, 2)
  })

  test('D5: a name of HTML stays text in the list, in the search and in the address', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await shows(clicksOf(page, HOSTILE), '2')
    await rowOf(page, ENTITIES).waitFor()
    await page.getByRole('img', { name: `Trend of ${HOSTILE}` }).waitFor()
    await assertNothingLoaded(page)
    await page.getByRole('searchbox').fill('<IMG src=x onerror')
    await page.getByText(/^1 banner ·/).waitFor()
    await page.reload()
    await shows(clicksOf(page, HOSTILE), '2')
    await page.goto(`/#/?search=${encodeURIComponent(`${HOSTILE}x`)}`)
    await page.getByText('No banners found.').waitFor()
    await assertNothingLoaded(page)
    await opened.assertClean()
  })

  test('D5: a name of HTML stays text on the page of its banner, and in the lines to copy', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await page.getByRole('link', { name: HOSTILE }).click()
    await page.getByRole('heading', { name: HOSTILE, level: 1 }).waitFor()
    await becomes(() => page.title(), `${HOSTILE} – Tallymark`)
    await page.getByRole('img', { name: `Clicks on ${HOSTILE} over time` }).waitFor()
    assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), HOSTILE)
    const html = await page.getByText(/^<a href=/).innerText()
    await page.getByRole('button', { name: 'Send a test click' }).click()
    await page
      .getByRole('status')
      .filter({ hasText: /^Arrived:/ })
      .waitFor()
    await page.getByRole('button', { name: 'Table' }).click()
    await page.getByRole('columnheader', { name: 'Clicks' }).waitFor()
    await page.getByRole('combobox', { name: 'Language' }).selectOption('ru')
    await page.getByRole('button', { name: 'Таблица' }).waitFor()
    await page.getByRole('heading', { name: HOSTILE, level: 1 }).waitFor()
    await assertNothingLoaded(page)
    await page.goto('about:blank') // where no policy stops what is in the line
    // Whoever pastes the line into a page gets a link with the name as its text, and nothing else.
    const pasted = await page.evaluate<unknown>(
      `(() => {
        const { body } = new DOMParser().parseFromString(${JSON.stringify(html)}, 'text/html')
        const [link] = body.children
        return { elements: body.querySelectorAll('*').length, text: link.textContent, href: link.getAttribute('href') }
      })()`,
    )
    const { url } = (await (await fetch(`${at.app.origin}/banners/${IDS.hostile}`)).json()) as {
      url: string
    }
    assert.deepEqual(pasted, { elements: 1, text: HOSTILE, href: url })
    await opened.assertClean()
  })

  test('D5: what the service says of a name or a destination stays text beside its field', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(`/#/banners/${IDS.hostile}`)
    await page.getByRole('textbox', { name: 'Destination' }).fill(`javascript:${HOSTILE}`)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByRole('textbox', { name: 'Destination' }).fill('')
    await page.getByRole('textbox', { name: 'Name' }).fill(`${HOSTILE} again`)
    await page.getByRole('button', { name: 'Save' }).click()
    await statusOf(page, 'Saved.').waitFor()
    await page.getByRole('heading', { name: `${HOSTILE} again`, level: 1 }).waitFor()
    await assertNothingLoaded(page)
    await opened.assertClean(/status of 400/)
  })
})

/** A picture would be one that a name has made: the page itself has none. */
async function assertNothingLoaded(page: Page): Promise<void> {
  assert.equal(await page.locator('img, b').count(), 0)
  assert.notEqual(await page.title(), 'owned')
}

async function addBanner(origin: string, banner: object): Promise<void> {
  const answer = await fetch(`${origin}/banners`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(banner),
  })
  assert.equal(answer.status, 201)
}
