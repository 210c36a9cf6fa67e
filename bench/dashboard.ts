// `npm run bench:dashboard`: how soon the dashboard is drawn, on 100 banners with clicks in every
// minute of 62 days. Two minutes.
import { setTimeout as pause } from 'node:timers/promises'
import { openBrowser, type TestBrowser } from '../test/support/browser.ts'
import { fillHistory } from '../test/support/history.ts'
import { temporaryFolder } from '../test/support/service.ts'
import { quantile, say, writeSection } from './report.ts'
import { startServer } from './server.ts'

const BANNERS = 100
const PORT = 18_500
const REPEATS = 20
const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS
const MONTH_MS = 30 * DAY_MS
const NOW = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS

/**
 * In the page: `drawn` is when the first frame was drawn in which `isDrawn` held, in milliseconds since
 * `began`, or since the navigation.
 */
const WATCH = `
  window.watch = (isDrawn, began = 0) => {
    window.drawn = new Promise((resolve) => {
      const look = () => {
        if (!isDrawn()) return
        observer.disconnect()
        requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)))
      }
      const observer = new MutationObserver(look)
      observer.observe(document, { subtree: true, childList: true, characterData: true })
      look()
    })
  }
  const rows = () => [...document.querySelectorAll('table.banners tbody tr')]
  const isOverview = () =>
    rows().length === 50 &&
    rows().every((row) => row.querySelector('.course path') && /\\d/.test(row.querySelector('.count').textContent))
  window.isChart = () => document.querySelector('.uplot canvas') !== null
  watch(location.hash === '' ? isOverview : isChart)`

using folder = temporaryFolder()
const settings = { DATA_DIR: folder.path, PORT: String(PORT), LOG_LEVEL: 'warn' }
await (await serve())[Symbol.asyncDispose]() // makes the schema
fillHistory({
  folder: folder.path,
  bannerIds: Array.from({ length: BANNERS }, (_, index) => index + 1),
  from: NOW - 62 * DAY_MS,
  to: NOW,
  countOf: () => 1 + Math.floor(Math.random() * 9),
})
say('made', 'the months')
await using service = await serve()
const origin = `http://127.0.0.1:${service.port}`
await using browser = await openBrowser()
await firstView(browser) // so that the service has answered once
const overview = await repeat('the overview', () => firstView(browser))
const month = `from=${new Date(NOW - MONTH_MS).toISOString()}&to=${new Date(NOW).toISOString()}`
const chart = await repeat('the month', () => chartOf(browser, `${month}&step=minute`))
const both = await repeat('the month before, too', () =>
  chartOf(browser, `${month}&step=minute`, '.legend.before'),
)
await write()

function serve() {
  return startServer(PORT, ['run.mjs', 'dist/main.js'], settings)
}

async function repeat(what: string, measure: () => Promise<number>): Promise<number[]> {
  const taken: number[] = []
  while (taken.length < REPEATS) taken.push(await measure())
  const sorted = taken.toSorted((a, b) => a - b)
  say(what, sorted.map(Math.round))
  return sorted
}

/** From the navigation, with nothing in the cache. */
async function firstView(from: TestBrowser): Promise<number> {
  await using opened = await from.newPage(origin)
  await opened.page.addInitScript(WATCH)
  await opened.page.goto('/')
  const drawn = await opened.page.evaluate<number>('drawn')
  await opened.assertClean()
  return drawn
}

/** From the choice of a range until its counts are drawn, and `also` is there. */
async function chartOf(from: TestBrowser, query: string, also = '.uplot'): Promise<number> {
  await using opened = await from.newPage(origin)
  const { page } = opened
  await page.addInitScript(WATCH)
  await page.goto('/#/banners/7')
  await page.evaluate('drawn')
  await pause(1_000) // until nothing else is under way
  const drawn = await page.evaluate<number>(`(() => {
    const before = document.querySelector('.uplot')
    const isDrawn = () => isChart() && document.querySelector('.uplot') !== before
    watch(() => isDrawn() && document.querySelector('${also}') !== null, performance.now())
    location.hash = '#/banners/7?${query}'
    return drawn
  })()`)
  await opened.assertClean()
  return drawn
}

function write(): Promise<void> {
  return writeSection(
    'The dashboard',
    'npm run bench:dashboard',
    `${BANNERS} banners with clicks in every minute of 62 days, in Chromium without a window. Milliseconds until the
frame is drawn, of ${REPEATS} each: the overview from the navigation on, with nothing in the cache; the month from the
choice of the range on, so with the request for its 43,200 counts; the month before is drawn when it comes, with
another request.

| | goal | median | p95 | slowest |
|---|---|---|---|---|
| the overview, its first 50 banners with their courses | 1,000 | ${cells(overview)} |
| a month by minute, 43,200 points | 300 | ${cells(chart)} |
| … with the month before it | | ${cells(both)} |`,
  )
}

function cells(sorted: readonly number[]): string {
  return [0.5, 0.95, 1].map((share) => quantile(sorted, share).toFixed(0)).join(' | ')
}
