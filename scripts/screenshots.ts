// Makes the pictures of README in docs/images: the dashboard on a service of its own, with a month of
// made-up clicks. `npm run screenshots`; needs Chromium.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { BrowserContextOptions } from 'playwright-core'
import { startTestApp } from '../test/support/app.ts'
import { openBrowser, type TestBrowser } from '../test/support/browser.ts'
import { fillHistory } from '../test/support/history.ts'
import { temporaryFolder } from '../test/support/service.ts'

const IMAGES = 'docs/images'
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const DAYS = 60
/** So long the page is followed, to have a live rate. */
const FOLLOWED_MS = 12_000
/** About as many as were made up for the hour before. */
const CLICK_INTERVAL_MS = 300

const SUBJECTS = ['Autumn sale', 'Winter boots', 'Free delivery', 'Gift cards', 'Newsletter', 'App']
const FORMATS = ['728×90', '300×250', '160×600', '320×50']
const NAMES = FORMATS.flatMap((format) => SUBJECTS.map((subject) => `${subject} ${format}`))

interface Picture {
  readonly name: string
  readonly path: string
  readonly options?: BrowserContextOptions
}

const WIDE = { viewport: { width: 1200, height: 860 } }
/** Higher than telephones are, so that the whole chart is seen. */
const PHONE = {
  viewport: { width: 390, height: 1040 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
}
const PICTURES: readonly Picture[] = [
  { name: 'overview', path: '/' },
  {
    name: 'banner',
    path: '/#/banners/3?range=7days',
    options: { viewport: { width: 1200, height: 1180 } },
  },
  { name: 'dark', path: '/#/banners/8?range=30days', options: { ...WIDE, colorScheme: 'dark' } },
  { name: 'phone', path: '/#/banners/3?range=7days', options: PHONE },
  {
    name: 'russian',
    path: '/?',
    options: { ...WIDE, locale: 'ru-RU', timezoneId: 'Europe/Moscow' },
  },
]

using folder = temporaryFolder()
const bannersFile = join(folder.path, 'banners.json')
writeFileSync(
  bannersFile,
  JSON.stringify(
    NAMES.map((name, index) => ({ id: index + 1, name, url: 'https://shop.example/' })),
  ),
)
mkdirSync(IMAGES, { recursive: true })
await using browser = await openBrowser()
{
  await using empty = await startTestApp({ BANNERS_FILE: bannersFile })
  await take(browser, empty.origin, { name: 'empty', path: '/' })
}
await using app = await startTestApp({ BANNERS_FILE: bannersFile })
fillMonths(app.store.kind === 'sqlite' ? app.store.folder : '')
const clicking = new AbortController()
const clicks = click(app.origin, clicking.signal)
for (const picture of PICTURES) await take(browser, app.origin, picture)
clicking.abort()
await clicks

async function take(
  from: TestBrowser,
  origin: string,
  { name, path, options = WIDE }: Picture,
): Promise<void> {
  await using opened = await from.newPage(origin, options)
  const { page } = opened
  await page.goto(path)
  await page.locator('.live').waitFor()
  await pause(name === 'empty' ? 1_500 : FOLLOWED_MS)
  await opened.assertClean()
  await page.screenshot({ path: `${IMAGES}/${name}.png` })
  process.stdout.write(`${IMAGES}/${name}.png\n`)
}

/** Most a while ago whenever this is run, more on weekdays, and each banner with ups and downs of its own. */
function fillMonths(store: string): void {
  const to = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS // this takes a part of the minute that runs
  fillHistory({
    folder: store,
    bannerIds: NAMES.map((_, index) => index + 1),
    from: to - DAYS * DAY_MS,
    to,
    countOf(banner, minute) {
      const hoursAgo = (to - minute) / HOUR_MS
      const isWeekend = new Date(minute).getUTCDay() % 6 === 0
      const daily = 1.25 + Math.cos(((hoursAgo - 3) / 24) * 2 * Math.PI)
      const wave = 1 + 0.6 * Math.sin(banner + minute / MINUTE_MS / (6 + (banner % 5)))
      const most = (75 / (banner + 3)) * daily * wave * (isWeekend ? 0.6 : 1)
      return Math.floor(most * (0.8 + 0.4 * Math.random()))
    },
  })
}

async function click(origin: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const banner = 1 + Math.floor(NAMES.length * Math.random() ** 2)
    await fetch(`${origin}/counter/${banner}`, { method: 'POST' })
    await pause(CLICK_INTERVAL_MS)
  }
}
