import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { startTestApp } from '../support/app.ts'
import { assertAccessible } from '../support/browser.ts'
import { describeDashboard } from '../support/dashboard.ts'
import { insertPast } from '../support/past.ts'
import { becomes, isDrawn } from '../support/shown.ts'

/** A view, and what is seen once it is there. */
interface Sight {
  readonly address: string
  readonly ready: (page: Page) => Promise<void>
}

const LONG = 'Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverkaufsstelle'.repeat(2)
const SIGHTS: Readonly<Record<string, Sight>> = {
  overview: { address: '/', ready: (page) => page.getByRole('searchbox').waitFor() },
  'overview with a free range': {
    address: '/#/?from=2026-03-01T00:00Z&to=2026-03-02T00:00Z',
    ready: (page) => page.locator('input[type=datetime-local]').first().waitFor(),
  },
  'overview where nothing is found': {
    address: '/#/?search=nothing-is-called-that',
    ready: async (page) => {
      await page.getByRole('searchbox').waitFor()
      await becomes(() => page.locator('tbody tr').count(), 0)
    },
  },
  'banner as a chart': {
    address: '/#/banners/1',
    ready: (page) => page.locator('figure canvas').waitFor(),
  },
  'banner as a table': {
    address: '/#/banners/1?range=30days&as=table&step=hour',
    ready: (page) => page.locator('nav.pager').waitFor(),
  },
  'banner without clicks in its range': {
    address: '/#/banners/2?from=2026-03-01T00:00Z&to=2026-03-02T00:00Z',
    ready: (page) => page.locator('figure canvas').waitFor(),
  },
  'paused banner': {
    address: '/#/banners/50',
    ready: (page) => page.locator('h1 .badge').waitFor(),
  },
  new: { address: '/#/new', ready: (page) => page.locator('form.narrow').waitFor() },
  unknown: { address: '/#/nothing', ready: (page) => page.locator('h1').waitFor() },
  'banner that is not there': {
    address: '/#/banners/999',
    ready: (page) => page.locator('h1 + p a').waitFor(),
  },
}
const TOKENS = { READ_TOKEN: 'read-token-of-the-tests' }
const EXPECTED = /^console\.error: .* (?:40[0134]|503) /

describeDashboard('the dashboard for everybody', (at) => {
  before(async () => {
    await change(1, { name: LONG, url: `https://shop.example/${LONG}` })
    for (const id of [1, 1, 3]) await fetch(`${at.app.origin}/counter/${id}`)
  })

  async function change(id: number, wanted: Record<string, string>): Promise<void> {
    const answer = await fetch(`${at.app.origin}/banners/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(wanted),
    })
    assert.equal(answer.status, 200)
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    // In other colours the same page can only be seen less well.
    const rules = colorScheme === 'dark' ? ['color-contrast'] : undefined
    test(`D16: every view can be used by everybody, in ${colorScheme} colours`, async () => {
      await using opened = await at.newPage({ colorScheme })
      const { page } = opened
      for (const [name, { address, ready }] of Object.entries(SIGHTS)) {
        await page.goto(address)
        await ready(page)
        await assertAccessible(page, rules).catch((cause: unknown) => {
          throw new Error(name, { cause })
        })
      }
      // What is wrong with a form, and with the service.
      await page.goto('/#/new')
      await page.getByRole('button', { name: 'Add a banner' }).click()
      await page.getByRole('alert').first().waitFor()
      await assertAccessible(page, rules)
      await page.route(/\/(?:stats|series|live)\?/, (route) => route.fulfill({ status: 503 }))
      await page.goto('/#/banners/3')
      await page.getByRole('button', { name: 'Try again' }).waitFor()
      await page.getByText('The connection is lost.').waitFor()
      await assertAccessible(page, rules)
      await opened.assertClean(EXPECTED)
    })

    test(`D16: the question for a token can be answered by everybody, in ${colorScheme} colours`, async () => {
      await using guarded = await startTestApp(TOKENS)
      await using opened = await at.browser.newPage(guarded.origin, { colorScheme })
      const { page } = opened
      await page.goto('/')
      await page.getByRole('dialog').waitFor()
      await assertAccessible(page, rules)
      await page.getByRole('textbox', { name: 'Token' }).fill('not-the-token-at-all')
      await page.getByRole('button', { name: 'Continue' }).click()
      await page.getByText('Wrong token.').waitFor()
      await assertAccessible(page, rules)
      await opened.assertClean(EXPECTED)
    })
  }

  for (const locale of ['en-GB', 'ru-RU']) {
    test(`D16: nothing is wider than a telephone, ${locale}`, async () => {
      const viewport = { width: 390, height: 844 }
      await using opened = await at.newPage({ locale, viewport })
      await using guarded = await startTestApp(TOKENS)
      await using asked = await at.browser.newPage(guarded.origin, { locale, viewport })
      const { page } = opened
      for (const [name, { address, ready }] of Object.entries(SIGHTS)) {
        await page.goto(address)
        await ready(page)
        assert.deepEqual(await tooWide(page), [], name)
      }
      await asked.page.goto('/')
      await asked.page.getByRole('dialog').waitFor()
      assert.deepEqual(await tooWide(asked.page), [], 'the question for a token')
      await opened.assertClean(EXPECTED)
      await asked.assertClean(EXPECTED)
    })
  }

  test('D16: the largest counts are read whole, and make nothing wider than a telephone', async () => {
    await using huge = await startTestApp()
    const now = Date.now()
    const minute = new Date(now - 10 * 60_000).toISOString()
    await insertPast(huge, [[1, minute, 123_456_789_012]])
    const since = new Date(now - 30 * 86_400_000).toISOString()
    for (const width of [390, 1200]) {
      await using opened = await at.browser.newPage(huge.origin, {
        viewport: { width, height: 844 },
      })
      const { page } = opened
      for (const [address, ready] of [
        ['/', 'tbody td.count'],
        ['/#/banners/1', 'figure canvas'],
        [
          `/#/banners/1?from=${since}&to=${new Date(now).toISOString()}&step=day&as=table`,
          'table.steps',
        ],
      ] as const) {
        await page.goto(address)
        await page.locator(ready).first().waitFor()
        await page.getByText('123,456,789,012').first().waitFor()
        assert.deepEqual(await tooWide(page), [], address)
        assert.deepEqual(await cutOff(page), [], address)
      }
      await opened.assertClean()
    }
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`D16: the edges of controls and the fainter line are seen, in ${colorScheme} colours`, async () => {
      await using opened = await at.newPage({ colorScheme })
      const { page } = opened
      await page.goto('/#/banners/3')
      await page.getByRole('button', { name: 'Save' }).waitFor()
      const [ground, card, border, faint] = await page.evaluate<string[]>(`(() => {
        const style = getComputedStyle(document.documentElement)
        return ['page', 'card', 'border', 'faint'].map((each) => style.getPropertyValue('--' + each).trim())
      })()`)
      for (const line of [border, faint]) {
        for (const behind of [ground, card]) {
          const contrast = contrastOf(line ?? '', behind ?? '')
          assert.ok(contrast >= 3, `${line} on ${behind}: ${contrast}`) // WCAG 1.4.11
        }
      }
      const edges = await page.evaluate<string[]>(`Array.from(
        document.querySelectorAll('main input, main select'),
        (each) => getComputedStyle(each).borderTopColor)`)
      assert.deepEqual([...new Set(edges)], [rgb(border ?? '')])
      await opened.assertClean()
    })
  }

  test('D16: the colours are those of the system, also when it changes them, and of the chart', async () => {
    await using opened = await at.newPage({ colorScheme: 'light' })
    const { page } = opened
    await page.goto('/#/banners/3')
    await becomes(() => isDrawn(page, 'accent'), true)
    const light = await coloursOf(page)
    await page.emulateMedia({ colorScheme: 'dark' })
    await becomes(() => isDrawn(page, 'accent'), true)
    const dark = await coloursOf(page)
    assert.notEqual(dark.page, light.page)
    assert.notEqual(dark.text, light.text)
    assert.notEqual(dark.accent, light.accent)
    await page.emulateMedia({ colorScheme: 'light' })
    await becomes(() => isDrawn(page, 'accent'), true)
    assert.deepEqual(await coloursOf(page), light)
    await opened.assertClean()
  })
})

interface Colours {
  readonly page: string
  readonly text: string
  readonly accent: string
}

async function coloursOf(page: Page): Promise<Colours> {
  return await page.evaluate<Colours>(`(() => {
    const { backgroundColor, color } = getComputedStyle(document.body)
    const accent = getComputedStyle(document.documentElement).getPropertyValue('--accent')
    return { page: backgroundColor, text: color, accent }
  })()`)
}

/** What stands out of the page to the right, where the page then scrolls sideways. */
async function tooWide(page: Page): Promise<string[]> {
  return await page.evaluate<string[]>(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return []
    return Array.from(document.querySelectorAll('body *'))
      .filter((each) => each.getBoundingClientRect().right > clientWidth + 1)
      .map((each) => each.outerHTML.slice(0, 100))
  })()`)
}

/** Numbers that stand out of their tile or cell, or that are broken between digits. */
async function cutOff(page: Page): Promise<string[]> {
  return await page.evaluate<string[]>(`
    Array.from(document.querySelectorAll('dt + dd, td.count'))
      .filter((each) => {
        const text = document.createRange()
        text.selectNodeContents(each)
        const { right } = (each.closest('dl > div') ?? each).getBoundingClientRect()
        const lines = text.getClientRects()
        return lines.length > 1 || lines[0].right > right - 2
      })
      .map((each) => each.textContent)`)
}

/** The channels of `#rgb` or `#rrggbb`, 0 to 255. */
function channels(colour: string): number[] {
  const digits = colour.slice(1).replace(/^(.)(.)(.)$/, '$1$1$2$2$3$3')
  return [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16))
}

function rgb(colour: string): string {
  return `rgb(${channels(colour).join(', ')})`
}

/** How much they differ, as WCAG measures it: 1 to 21. */
function contrastOf(one: string, other: string): number {
  const [light = 0, dark = 0] = [one, other].map(luminance).toSorted((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((value) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
