import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startTestApp } from '../support/app.ts'
import { NEEDS_BROWSER, openBrowser } from '../support/browser.ts'
import { fillHistory } from '../support/history.ts'
import {
  recordedTotals,
  recordTotals,
  showsLastHour,
  tableOf,
  tableOfService,
} from './overview-numbers.ts'
import { become, click, statusOf } from './overview-page.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const BANNER_IDS = [1, 2, 3, 4, 5]
const CLICK_INTERVAL_MS = 50
/** Minutes turn when they do: the test waits for one. */
const WAITING = { ...NEEDS_BROWSER, timeout: 3 * MINUTE_MS }

test(
  'D7: the numbers are those of /stats while clicks arrive and minutes turn',
  WAITING,
  async () => {
    await using app = await startTestApp()
    assert.ok(app.store.kind === 'sqlite')
    const now = Date.now()
    fillHistory({
      folder: app.store.folder,
      bannerIds: BANNER_IDS,
      from: now - 2 * HOUR_MS,
      to: now - 2 * MINUTE_MS,
      // Each minute that the last hour leaves behind takes another number of clicks with it.
      countOf: (id, minute) => (minute / MINUTE_MS) % (id + 7),
    })
    await using browser = await openBrowser()
    await using lastHour = await browser.newPage(app.origin)
    await using fixed = await browser.newPage(app.origin)
    await lastHour.page.goto('/')
    // A range that nothing leaves: its sum only grows, click by click.
    const [from, to] = [now - HOUR_MS, now + HOUR_MS]
    await fixed.page.goto(`/#/?from=${timeOf(from)}&to=${timeOf(to)}`)
    const service = () => tableOfService(app.origin, from, to, 'UTC')
    await statusOf(fixed.page, /^Live$/).waitFor()
    await become(() => tableOf(fixed.page), service)
    await recordTotals(fixed.page)
    const turned = (Math.floor(Date.now() / MINUTE_MS) + 1) * MINUTE_MS + 2_000
    for (let clicks = 0; Date.now() < turned; clicks += 1) {
      await click(app.origin, BANNER_IDS[clicks % BANNER_IDS.length] ?? 1)
      await pause(CLICK_INTERVAL_MS)
    }
    await become(() => tableOf(fixed.page), service)
    await showsLastHour(lastHour.page, app.origin)
    const sums = await recordedTotals(fixed.page)
    assert.deepEqual(
      sums,
      sums.toSorted((one, other) => one - other),
    ) // no click is lost for a moment, and none was there twice
    await lastHour.assertClean()
    await fixed.assertClean()
  },
)

function timeOf(instant: number): string {
  return new Date(instant).toISOString()
}
