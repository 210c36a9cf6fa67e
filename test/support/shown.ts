// What somebody sees on the dashboard, as plain values to compare.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Page } from 'playwright-core'

const TIMEOUT_MS = 20_000
const POLL_MS = 50

/** Reads until it is what was expected: a page follows a moment later. For what no locator can wait for. */
export async function becomes<T>(read: () => T | Promise<T>, expected: T): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS
  for (;;) {
    const value = await read()
    if (isDeepStrictEqual(value, expected)) return
    if (performance.now() > deadline) assert.deepEqual(value, expected)
    await pause(POLL_MS)
  }
}

/** The number under a title, such as `Total`. */
export async function figureOf(page: Page, title: string): Promise<string> {
  const tile = page.locator('dl > div', { has: page.getByText(title, { exact: true }) })
  return await tile.getByRole('definition').first().innerText()
}

/** The cells of a table's body, row by row. */
export async function rowsOf(page: Page): Promise<string[][]> {
  return await page.evaluate<string[][]>(
    `Array.from(document.querySelectorAll('tbody tr'), (row) =>
       Array.from(row.cells, (cell) => cell.innerText.trim()))`,
  )
}

/** Whether the chart has a pixel of exactly this colour, which is a custom property of the style. */
export async function isDrawn(page: Page, colour: string): Promise<boolean> {
  return await page.evaluate<boolean>(`(() => {
    const canvas = document.querySelector('[role=img] canvas')
    if (canvas === null) return false
    const copy = document.createElement('canvas')
    copy.width = canvas.width
    copy.height = canvas.height
    const probe = copy.getContext('2d', { willReadFrequently: true })
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--${colour}').trim()
    probe.fillRect(0, 0, 1, 1)
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data
    probe.clearRect(0, 0, 1, 1)
    probe.drawImage(canvas, 0, 0)
    const { data } = probe.getImageData(0, 0, canvas.width, canvas.height)
    for (let at = 0; at < data.length; at += 4) {
      if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255)
        return true
    }
    return false
  })()`)
}
