import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { Temporal } from 'temporal-polyfill'
import { describeDashboard } from '../support/dashboard.ts'
import { fillHistory } from '../support/history.ts'
import {
  recordedTotals,
  recordTotals,
  showsLastHour,
  tableOf,
  tableOfService,
  totals,
} from './overview-numbers.ts'
import { become, click, digits, figure, setHidden, statusOf } from './overview-page.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const BANNER_IDS = [1, 2, 3, 4, 5]

describeDashboard('the numbers of the overview', (at) => {
  before(() => {
    assert.ok(at.app.store.kind === 'sqlite')
    const now = Date.now()
    fillHistory({
      folder: at.app.store.folder,
      bannerIds: BANNER_IDS,
      from: now - 40 * DAY_MS,
      to: now - 2 * MINUTE_MS,
      // Each minute has another count: one too many or too few is seen.
      countOf: (id, minute) => (minute / MINUTE_MS) % (id + 7),
    })
  })

  test('D7: each range has the numbers of /stats, in the time zone of the reader', async () => {
    const tz = 'Asia/Kathmandu' // days begin at a quarter past an hour
    await using opened = await at.newPage({ timezoneId: tz })
    const { page } = opened
    await page.goto('/')
    const range = page.getByRole('group', { name: 'Range' })
    for (const [name, days] of [
      ['Today', 0],
      ['7 days', 6],
      ['30 days', 29],
    ] as const) {
      await range.getByRole('button', { name }).click()
      await become(
        () => tableOf(page),
        () => tableOfService(at.app.origin, startOfDay(tz, days), Date.now(), tz),
      )
    }
    await range.getByRole('button', { name: 'Custom range' }).click()
    const [from, to] = [Date.now() - 10 * DAY_MS, Date.now() - 3 * DAY_MS]
    await page.getByLabel('From', { exact: true }).fill(wallTime(from, tz))
    await page.getByLabel('To', { exact: true }).fill(wallTime(to, tz))
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    const whole = (instant: number): number => instant - (instant % MINUTE_MS)
    await become(
      () => tableOf(page),
      () => tableOfService(at.app.origin, whole(from), whole(to), tz),
    )
    await page.reload() // the address has the range
    await become(
      () => tableOf(page),
      () => tableOfService(at.app.origin, whole(from), whole(to), tz),
    )
    await opened.assertClean()
  })

  test('D7: the zone is shown and chosen beside the range, and stands in the address', async () => {
    const tz = 'Asia/Tokyo'
    await using opened = await at.newPage()
    await using other = await at.newPage()
    const { page } = opened
    await page.goto('/#/?range=today')
    await page.waitForURL(/range=today&tz=UTC/)
    const zone = page.getByLabel('Time zone')
    assert.equal(await zone.inputValue(), 'UTC')
    await zone.selectOption(tz)
    await page.waitForURL(/range=today&tz=Asia\/Tokyo/)
    for (const each of [page, other.page]) {
      await each.goto(page.url())
      await become(
        () => tableOf(each),
        () => tableOfService(at.app.origin, startOfDay(tz, 0), Date.now(), tz),
      )
      assert.equal(await each.getByLabel('Time zone').inputValue(), tz)
    }
    // Whoever only follows a link keeps the zone that is shown, there and back, but not for later.
    await other.page.getByRole('link', { name: 'Banner 1' }).click()
    await other.page.waitForURL(/banners\/1\?range=today.*tz=Asia\/Tokyo/)
    await other.page.getByRole('link', { name: '← Overview' }).click()
    await other.page.waitForURL(/#\/\?range=today&tz=Asia\/Tokyo/)
    await other.page.goto('/#/new')
    await other.page.goto('/#/')
    await other.page.waitForURL(/#\/\?tz=UTC/)
    await opened.assertClean()
    await other.assertClean()
  })

  test('D7: a clock of the browser that is hours wrong changes nothing', async () => {
    for (const wrongByMs of [-5 * HOUR_MS, 30 * HOUR_MS]) {
      await using opened = await at.newPage()
      const { page } = opened
      await page.addInitScript(`{
        const right = Date.now
        Date.now = () => right() + ${wrongByMs}
      }`)
      await page.goto('/')
      await statusOf(page, /^Live$/).waitFor()
      await click(at.app.origin, 2)
      await showsLastHour(page, at.app.origin)
      await become(
        () => figure(page, 'Last 24 hours').innerText(),
        async () => digits((await totals(at.app.origin, Date.now() - DAY_MS, Date.now())).total),
      )
      const today = page.getByRole('button', { name: 'Today' })
      await today.click()
      await become(
        () => tableOf(page),
        () => tableOfService(at.app.origin, startOfDay('UTC', 0), Date.now(), 'UTC'),
      )
      await opened.assertClean()
    }
  })

  test('D7: what was counted while the tab was hidden is there when it is seen again', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/')
    await statusOf(page, /^Live$/).waitFor()
    await showsLastHour(page, at.app.origin)
    const earlier = (await totals(at.app.origin, Date.now() - HOUR_MS, Date.now())).total
    await recordTotals(page)
    await setHidden(page, true)
    await click(at.app.origin, 3, 7)
    await setHidden(page, false)
    await showsLastHour(page, at.app.origin)
    const least = Math.min(...(await recordedTotals(page)))
    // Minutes that the range leaves behind are the only reason for less.
    assert.ok(least >= earlier - 2 * BANNER_IDS.length * 12, `${least} of ${earlier}`)
    await opened.assertClean()
  })
})

function startOfDay(tz: string, daysBack: number): number {
  const day = Temporal.Now.zonedDateTimeISO(tz).subtract({ days: daysBack })
  return day.startOfDay().epochMilliseconds
}

function wallTime(instant: number, tz: string): string {
  const shown = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(tz)
  return shown.toPlainDateTime().toString({ smallestUnit: 'minute' })
}
