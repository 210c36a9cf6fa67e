import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { describeDashboard } from '../support/dashboard.ts'
import { insertPast } from '../support/past.ts'
import { becomes, isDrawn } from '../support/shown.ts'

/** In the page: what its chart has written, and where, in pixels of the canvas. */
const KEEP_LABELS = `{
  const { fillText, clearRect } = CanvasRenderingContext2D.prototype
  window.labels = []
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (this.canvas.isConnected) window.labels = [] // it is drawn anew
    clearRect.apply(this, box)
  }
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { width } = this.measureText(text)
    const left = x - { left: 0, center: width / 2, right: width }[this.textAlign]
    window.labels.push({ text, left, right: left + width, y })
    fillText.call(this, text, x, y)
  }
}`
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }

interface Label {
  readonly text: string
  readonly left: number
  readonly right: number
  readonly y: number
}

describeDashboard('the chart of a banner', (at) => {
  before(async () => {
    await insertPast(at.app, [
      [1, '2026-03-01T09:17Z', 9],
      [1, '2026-03-02T09:17Z', 5],
      [2, '2026-03-02T09:17Z', 12_345_678],
    ])
  })

  test('D11: a single step is a whole bar in the middle, labelled, beside the period before', async () => {
    for (const [query, labels] of [
      ['from=2026-03-02T09:00Z&to=2026-03-02T10:00Z&step=hour', ['09:00', '2 Mar']],
      ['from=2026-03-02T09:17Z&to=2026-03-02T09:18Z&step=minute', ['09:17', '2 Mar']],
      ['from=2026-03-02T00:00Z&to=2026-03-03T00:00Z&step=day', ['2 Mar']],
    ] as const) {
      await using opened = await at.newPage()
      const { page } = opened
      await page.addInitScript(KEEP_LABELS)
      await page.goto(`/#/banners/1?${query}&tz=UTC`)
      await page.locator('.numbers[aria-busy=false]').waitFor()
      await becomes(() => isDrawn(page, 'accent'), true)
      const [left, right, width] = await page.evaluate<[number, number, number]>(BAR)
      assert.ok(
        Math.abs(left - (width - right)) <= 2 && left > 0,
        `${left} to ${right} of ${width}`,
      )
      const written = (await labelsOf(page)).map(({ text }) => text)
      for (const label of labels) assert.ok(written.includes(label), `${label}: ${String(written)}`)
      // The hour before had no clicks, and the day before some.
      if (query.endsWith('day')) await becomes(() => isDrawn(page, 'faint'), true)
      await opened.assertClean()
    }
  })

  test('D11: large counts beside the chart have all of their digits', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.addInitScript(KEEP_LABELS)
    await page.goto('/#/banners/2?from=2026-03-02T09:00Z&to=2026-03-02T10:00Z&tz=UTC')
    await page.getByText('From 2 Mar 2026').waitFor()
    await becomes(
      async () => (await labelsOf(page)).some(({ text }) => text === '10,000,000'),
      true,
    )
    for (const { text, left } of await labelsOf(page)) assert.ok(left >= 0, `${text}: ${left}`)
    await opened.assertClean()
  })

  for (const [what, options, query] of [
    [
      'minutes in American English',
      { ...PHONE, locale: 'en-US' },
      '2026-03-02T00:00Z 2026-03-02T20:05Z minute',
    ],
    [
      'days of two years in Russian',
      { ...PHONE, locale: 'ru-RU' },
      '2024-12-01T00:00Z 2027-01-01T00:00Z day',
    ],
    ['days of a century', PHONE, '1970-01-01T00:00Z 2099-01-03T00:00Z day'],
  ] as const) {
    test(`D11: times below the chart stand apart on a telephone: ${what}`, async () => {
      await using opened = await at.newPage(options)
      const { page } = opened
      await page.addInitScript(KEEP_LABELS)
      const [from, to, step] = query.split(' ')
      await page.goto(`/#/banners/2?from=${from}&to=${to}&step=${step}&tz=UTC`)
      await page.locator('.numbers[aria-busy=false]').waitFor()
      await becomes(async () => (await labelsOf(page)).length > 4, true)
      const labels = await labelsOf(page)
      const width = await page.locator('.chart canvas').evaluate((canvas) => canvas.clientWidth)
      for (const { text, left, right } of labels) assert.ok(left >= 0 && right <= width, text)
      const lowest = Math.max(...labels.map(({ y }) => y))
      const times = labels.filter(({ y }) => y > lowest - 20)
      for (const [index, one] of times.entries()) {
        for (const other of times.slice(index + 1).filter(({ y }) => y === one.y)) {
          const apart = Math.max(other.left - one.right, one.left - other.right)
          assert.ok(apart >= 8, `${one.text} and ${other.text}: ${apart}`)
        }
      }
      await opened.assertClean()
    })
  }

  test('D11: who can drag over the chart is told to, and where there is something to look at', async () => {
    const hint = (page: Page) => page.getByText('Drag over the chart to look closer.')
    const clicked = '/#/banners/1?from=2026-03-01T00:00Z&to=2026-03-03T00:00Z&tz=UTC'
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(clicked)
    await hint(page).waitFor()
    await page.goto('/#/banners/1?from=2026-03-03T00:00Z&to=2026-03-05T00:00Z&tz=UTC')
    await page.getByRole('figure').getByText('No clicks in this range.').waitFor()
    assert.equal(await hint(page).count(), 0)
    await page.getByText('Previous period', { exact: true }).waitFor()
    await page.goto('/#/banners/1?from=2026-03-15T00:00Z&to=2026-03-17T00:00Z&tz=UTC')
    await page.getByText('From 15 Mar 2026').waitFor()
    await page.getByText('Previous period: 0').waitFor()
    assert.equal(await page.getByText('Previous period', { exact: true }).count(), 0)
    await opened.assertClean()
    await using touched = await at.newPage(PHONE)
    await touched.page.goto(clicked)
    await touched.page.locator('figure canvas').waitFor()
    assert.equal(await hint(touched.page).isVisible(), false)
    await touched.assertClean()
  })
})

async function labelsOf(page: Page): Promise<Label[]> {
  return await page.evaluate<Label[]>('window.labels')
}

/** The first and the last column with the colour of the bars, and how many there are of the plot. */
const BAR = `(() => {
  const canvas = document.querySelector('.chart canvas')
  const copy = document.createElement('canvas')
  copy.width = canvas.width
  copy.height = canvas.height
  const drawing = copy.getContext('2d', { willReadFrequently: true })
  drawing.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()
  drawing.fillRect(0, 0, 1, 1)
  const wanted = String(drawing.getImageData(0, 0, 1, 1).data)
  drawing.clearRect(0, 0, 1, 1)
  drawing.drawImage(canvas, 0, 0)
  const { left } = canvas.getBoundingClientRect()
  const plot = document.querySelector('.u-over').getBoundingClientRect()
  const columns = Array.from({ length: canvas.width }, (_, x) => x).filter((x) => {
    const { data } = drawing.getImageData(x, 0, 1, canvas.height)
    for (let at = 0; at < data.length; at += 4) if (String(data.slice(at, at + 4)) === wanted) return true
    return false
  })
  return [columns[0] - (plot.left - left), columns.at(-1) - (plot.left - left), plot.width]
})()`
