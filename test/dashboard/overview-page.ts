// What somebody finds on the overview, by what it is called.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'

/** Ten times what people are promised: the tests share their machine. */
const SEEN_TIMEOUT_MS = 20_000
const LOOK_INTERVAL_MS = 100

/** The number of a tile, such as that of the last hour. */
export function figure(page: Page, title: string): Locator {
  const isTitle = page.getByRole('term').filter({ hasText: exactly(title) })
  return page.locator('dl > div').filter({ has: isTitle }).getByRole('definition').first()
}

export function rowOf(page: Page, name: string): Locator {
  const isName = page.getByRole('rowheader').filter({ hasText: exactly(name) })
  return page.getByRole('row').filter({ has: isName })
}

/** The clicks of a banner in the range. */
export function clicksOf(page: Page, name: string): Locator {
  return rowOf(page, name).getByRole('cell').last()
}

/** The names in the order of their rows. */
export async function names(page: Page): Promise<string[]> {
  return await page.getByRole('rowheader').getByRole('link').allInnerTexts()
}

export function statusOf(page: Page, text: string | RegExp): Locator {
  return page.getByRole('status').filter({ hasText: text })
}

/** Resolves when it shows this text, and nothing else. */
export async function shows(place: Locator, text: string): Promise<void> {
  await place
    .filter({ hasText: exactly(text) })
    .waitFor({ timeout: SEEN_TIMEOUT_MS })
    .catch(async (error: unknown) => {
      assert.equal(await place.allInnerTexts().then(String), text) // says what it shows instead
      throw error
    })
}

/** Resolves when both are the same; for what changes on both sides. */
export async function become<T>(read: () => Promise<T>, wanted: () => Promise<T>): Promise<void> {
  const deadline = performance.now() + SEEN_TIMEOUT_MS
  for (;;) {
    try {
      assert.deepEqual(await read(), await wanted())
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await pause(LOOK_INTERVAL_MS)
  }
}

/** Clicks by HTTP, as a page with the banner sends them. */
export async function click(origin: string, bannerId: number, times = 1): Promise<void> {
  const path = `${origin}/counter/${bannerId}`
  const answers = await Promise.all(
    Array.from({ length: times }, () => fetch(path, { method: 'POST' })),
  )
  for (const { status } of answers) assert.equal(status, 200)
}

/** Every digit, as the page writes it in English. */
export function digits(count: number): string {
  return count.toLocaleString('en-GB')
}

/** Hides the tab or brings it back, as far as a page can tell. */
export async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate(
    `Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} })
     document.dispatchEvent(new Event('visibilitychange'))`,
  )
}

function exactly(text: string): RegExp {
  return new RegExp(`^\\s*${text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)}\\s*$`)
}
