import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { describeDashboard } from '../support/dashboard.ts'
import { fillHistory } from '../support/history.ts'
import { becomes, figureOf, rowsOf } from '../support/shown.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** Clicks of banner 7, so long ago: whatever the time of day, no preset ends between two of them. */
const AGES = new Map([
  [30 * MINUTE_MS, 5],
  [2.5 * DAY_MS, 70],
  [20.5 * DAY_MS, 900],
])
const OLD = { from: Date.parse('2026-03-01T00:00Z'), to: Date.parse('2026-04-03T00:00Z') }
const WEEK = 'from=2026-03-02T00:00Z&to=2026-03-09T00:00Z'

describeDashboard('the page of a banner', (at) => {
  before(() => {
    fillOld()
    fillRecent()
  })

  /** Banner 42 in March 2026: some clicks an hour, most of them around noon. */
  function fillOld(): void {
    if (at.app.store.kind !== 'sqlite') throw new Error('only the embedded store can be filled')
    const countOf = (_: number, minute: number): number =>
      (minute / MINUTE_MS) % 17 === 0 ? 1 + (Math.floor(minute / HOUR_MS) % 24) : 0
    fillHistory({ folder: at.app.store.folder, bannerIds: [42], ...OLD, countOf })
  }

  function fillRecent(): void {
    if (at.app.store.kind !== 'sqlite') throw new Error('only the embedded store can be filled')
    const now = Date.now()
    const clicks = new Map([...AGES].map(([age, count]) => [minuteOf(now - age), count]))
    fillHistory({
      folder: at.app.store.folder,
      bannerIds: [7],
      from: now - 21 * DAY_MS,
      to: now,
      countOf: (_, minute) => clicks.get(minute) ?? 0,
    })
  }

  async function stats(id: number, query: Record<string, string>): Promise<Stats> {
    const answer = await fetch(`${at.app.origin}/stats/${id}?${String(new URLSearchParams(query))}`)
    assert.equal(answer.status, 200)
    return (await answer.json()) as Stats // the service's own tests hold it to that
  }

  test('D10: back, forward and reload keep the view, and whoever is sent the address sees the same', async () => {
    await using opened = await at.newPage({ timezoneId: 'Europe/Berlin' })
    const { page } = opened
    await page.goto(`/#/banners/42?${WEEK}`)
    await page.getByRole('heading', { name: 'Banner 42', level: 1 }).waitFor()
    await page.getByLabel('Step').selectOption('Day')
    await page.getByRole('button', { name: 'Table' }).click()
    await becomes(async () => (await rowsOf(page)).length, 8)
    const rows = await rowsOf(page)
    const address = page.url()
    assert.match(address, /#\/banners\/42\?.*step=day&tz=Europe\/Berlin&as=table$/)

    await page.goBack()
    await page.getByRole('img', { name: /^Clicks on Banner 42 over time/ }).waitFor()
    assert.equal(await page.getByLabel('Step').inputValue(), 'day')
    await page.goBack()
    await becomes(() => page.getByLabel('Step').inputValue(), 'hour')
    await page.goForward()
    await page.goForward()
    await becomes(() => rowsOf(page), rows)
    await page.reload()
    await becomes(() => rowsOf(page), rows)
    assert.equal(page.url(), address)

    await using other = await at.newPage({ timezoneId: 'America/New_York' })
    await other.page.goto(address)
    await becomes(() => rowsOf(other.page), rows)
    assert.equal(await other.page.getByLabel('Time zone').inputValue(), 'Europe/Berlin')
    await opened.assertClean()
    await other.assertClean()
  })

  test('D10: going back from a free range shows the preset that was chosen before it', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?range=7days')
    const preset = page.getByRole('button', { name: '7 days', pressed: true })
    await preset.waitFor()
    await chooseRange(page, '2026-03-02T00:00', '2026-03-03T00:00')
    await page.getByRole('button', { name: 'Custom range', pressed: true }).waitFor()
    await page.waitForURL(/from=2026-03-02T00:00Z/)
    await page.goBack()
    await preset.waitFor()
    assert.equal(await page.getByRole('button', { name: 'Show', exact: true }).count(), 0)
    await opened.assertClean()
  })

  test('D10: what is pressed is the range that is shown, whether or not its form is open', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?range=7days')
    const preset = page.getByRole('button', { name: '7 days' })
    const custom = page.getByRole('button', { name: 'Custom range' })
    const state = async (): Promise<unknown> => ({
      preset: await preset.getAttribute('aria-pressed'),
      custom: await custom.getAttribute('aria-pressed'),
      isExpanded: await custom.getAttribute('aria-expanded'),
      controls: await page
        .locator(`[id="${(await custom.getAttribute('aria-controls')) ?? ''}"]`)
        .count(),
      forms: await page.locator('form.free').count(),
    })
    const closed = { isExpanded: 'false', controls: 0, forms: 0 }
    const open = { isExpanded: 'true', controls: 1, forms: 1 }
    await becomes(state, { preset: 'true', custom: 'false', ...closed })
    await custom.click()
    await becomes(state, { preset: 'true', custom: 'false', ...open })
    await custom.click()
    await becomes(state, { preset: 'true', custom: 'false', ...closed })
    await chooseRange(page, '2026-03-02T00:00', '2026-03-03T00:00')
    await becomes(state, { preset: 'false', custom: 'true', ...open })
    await custom.click()
    await becomes(state, { preset: 'false', custom: 'true', ...closed })
    await custom.click()
    await page.goBack()
    await becomes(state, { preset: 'true', custom: 'false', ...closed })
    await opened.assertClean()
  })

  test('D10: each preset shows its time, by the clock of the chosen zone, in a step that suits it', async () => {
    await using opened = await at.newPage({ timezoneId: 'Asia/Kolkata' })
    const { page } = opened
    await page.goto('/#/banners/7')
    const now = Date.now()
    const today = dayBegin(now, 5.5 * HOUR_MS)
    for (const [name, from, step] of [
      ['Today', today, 'hour'],
      ['7 days', today - 6 * DAY_MS, 'hour'],
      ['30 days', today - 29 * DAY_MS, 'day'],
      ['Last hour', now - HOUR_MS, 'minute'],
    ] as const) {
      await page.getByRole('button', { name }).click()
      await page.getByRole('button', { name, pressed: true }).waitFor()
      await becomes(() => page.getByLabel('Step').inputValue(), step)
      const { total } = await stats(7, { tsFrom: String(from), tsTo: String(now) })
      await becomes(() => figureOf(page, 'Total'), String(total))
    }
    await opened.assertClean()
  })

  test('D10: each step adds up to the same, and pages of a hundred have them all', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(`/#/banners/42?${WEEK}&tz=UTC&as=table`)
    const { total } = await stats(42, {
      tsFrom: '2026-03-02T00:00:00Z',
      tsTo: '2026-03-09T00:00:00Z',
    })
    for (const [step, rows] of [
      ['Day', 7],
      ['Week', 1],
      ['Hour', 100],
      ['Minute', 100],
    ] as const) {
      await page.getByLabel('Step').selectOption(step)
      await becomes(async () => (await rowsOf(page)).length, rows)
      await page.locator('.numbers[aria-busy=false]').waitFor()
      assert.equal(await figureOf(page, 'Total'), total.toLocaleString('en'))
      if (rows < 100) assert.equal(sumOf(await rowsOf(page)), total)
    }
    await page.getByLabel('Step').selectOption('Hour')
    await page.getByText('1–100 of 168').waitFor()
    const first = sumOf(await rowsOf(page))
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByText('101–168 of 168').waitFor()
    assert.equal(first + sumOf(await rowsOf(page)), total)
    await page.goto('/#/banners/42?from=2026-03-01&to=2026-04-01&step=month&tz=UTC&as=table')
    await becomes(async () => (await rowsOf(page)).map(([time]) => time), ['March 2026'])
    await opened.assertClean()
  })

  test('D10: a free range is read by the clock of the zone, also on the day when it is put forward', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?tz=Europe/Berlin&as=table')
    await chooseRange(page, '2026-03-29T00:00', '2026-03-30T00:00')
    await page.waitForURL(/from=2026-03-28T23:00Z&to=2026-03-29T22:00Z&step=hour/)
    await becomes(async () => (await rowsOf(page)).length, 23)
    const times = (await rowsOf(page)).map(([time]) => time?.slice(-5)).toReversed()
    assert.deepEqual(times.slice(0, 4), ['00:00', '01:00', '03:00', '04:00'])
    await page.getByLabel('Step').selectOption('Day')
    await becomes(async () => (await rowsOf(page)).length, 1)
    await opened.assertClean()
  })

  test('D10: a range that ends before it begins is refused in words, and the view stays', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42')
    await page.waitForURL(/step=minute/)
    const address = page.url()
    await chooseRange(page, '2026-03-30T00:00', '2026-03-29T00:00')
    await page.getByRole('alert').getByText('The start must be before the end.').waitFor()
    assert.equal(page.url(), address)
    await opened.assertClean()
  })

  test('D10: dragging over the chart looks closer, and the way back leads out again', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(`/#/banners/42?${WEEK}&step=hour&tz=UTC`)
    const plot = page.getByRole('img', { name: /^Clicks on Banner 42/ }).locator('.u-over')
    await plot.waitFor()
    const address = page.url()
    const box = await plot.boundingBox()
    if (box === null) throw new Error('the chart is not seen')
    // Of 168 hours, three in the middle.
    const [left, right] = [84, 86].map((hour) => box.x + (box.width * hour) / 167)
    await page.mouse.move(left ?? 0, box.y + 100)
    await page.mouse.down()
    await page.mouse.move(right ?? 0, box.y + 100, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL(/step=minute/)
    const query = new URLSearchParams(new URL(page.url()).hash.split('?')[1])
    const [from, to] = ['from', 'to'].map((name) => Date.parse(query.get(name) ?? ''))
    assert.equal(from, Date.parse('2026-03-05T12:00Z'))
    assert.equal(to, Date.parse('2026-03-05T15:00Z'))
    const { total } = await stats(42, { tsFrom: String(from), tsTo: String(to) })
    await becomes(() => figureOf(page, 'Total'), String(total))
    await page.goBack()
    await page.waitForURL(address)
    await becomes(() => page.getByLabel('Step').inputValue(), 'hour')
    await opened.assertClean()
  })

  test('D10: a drag that leaves the chart goes on, whatever is counted meanwhile', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/9')
    const plot = page.getByRole('img', { name: /^Clicks on Banner 9 over time, 0/ })
    await plot.waitFor()
    const box = await plot.locator('.u-over').boundingBox()
    if (box === null) throw new Error('the chart is not seen')
    await page.evaluate(`window.canvas = document.querySelector('[role=img] canvas').toDataURL()`)
    await page.mouse.move(box.x + 100, box.y + 100)
    await page.mouse.down()
    await page.mouse.move(box.x + 200, box.y - 60, { steps: 5 }) // above it
    assert.equal((await fetch(`${at.app.origin}/counter/9`)).status, 200)
    await becomes(() => figureOf(page, 'Total'), '1')
    const isSame = `window.canvas === document.querySelector('[role=img] canvas').toDataURL()`
    assert.equal(await page.evaluate(isSame), true)
    await page.mouse.up()
    await page.waitForURL(/from=.*&to=/)
    await opened.assertClean()
  })

  test('D10: the time zone is the browser’s at first, and the one that was chosen ever after', async () => {
    await using opened = await at.newPage({ timezoneId: 'America/New_York' })
    const { page } = opened
    const zone = page.getByLabel('Time zone')
    await page.goto('/#/banners/42')
    assert.equal(await zone.inputValue(), 'America/New_York')
    await zone.selectOption('Asia/Tokyo')
    await page.waitForURL(/tz=Asia\/Tokyo/)
    await page.goto('/#/banners/7')
    await page.getByRole('heading', { name: 'Banner 7', level: 1 }).waitFor()
    assert.equal(await zone.inputValue(), 'Asia/Tokyo')
    const later = await page.context().newPage()
    await later.goto('/#/banners/42')
    assert.equal(await later.getByLabel('Time zone').inputValue(), 'Asia/Tokyo')
    // Whoever follows an address with another zone does not choose it.
    await later.goto('/#/banners/42?tz=Europe/Berlin')
    await becomes(() => later.getByLabel('Time zone').inputValue(), 'Europe/Berlin')
    await later.goto('/#/banners/7')
    await becomes(() => later.getByLabel('Time zone').inputValue(), 'Asia/Tokyo')
    await opened.assertClean()
  })

  test('D10: a banner that is not there is said to be unknown, and so is an address that leads nowhere', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/999')
    const answer = await fetch(`${at.app.origin}/banners/999`)
    const { detail } = (await answer.json()) as { detail: string } // problem+json
    await page.getByRole('heading', { name: detail, level: 1 }).waitFor()
    await page.getByRole('link', { name: 'To the overview' }).click()
    await page.getByRole('heading', { name: 'Banners' }).waitFor()
    for (const path of ['nothing', 'banners', 'banners/0', 'banners/abc', 'banners/4294967296']) {
      await page.goto(`/#/${path}`)
      await page.getByRole('heading', { name: 'There is no such page.' }).waitFor()
      await page.goto('/#/')
      await page.getByRole('heading', { name: 'Banners' }).waitFor()
    }
    await opened.assertClean(/^console\.error: .* 404 /)
  })

  test('D10: what cannot be read in an address is left out, and the address corrected', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(
      '/#/banners/42?from=soon&to=later&range=aeon&step=fortnight&tz=Mars/Olympus&as=pie',
    )
    await page.waitForURL((url) => url.hash === '#/banners/42?step=minute&tz=UTC')
    await page.getByRole('button', { name: 'Last hour', pressed: true }).waitFor()
    await page.getByRole('img', { name: /^Clicks on Banner 42 over time/ }).waitFor()
    const wrong = page.getByText('The range in the address is not valid; the last hour is shown.')
    await wrong.waitFor()
    await page.getByRole('button', { name: '7 days' }).click()
    await wrong.waitFor({ state: 'detached' })
    await page.goto('/#/?from=2026-03-02T00:00Z&to=2026-03-01T00:00Z')
    await wrong.waitFor()
    await opened.assertClean()
  })
})

interface Stats {
  readonly total: number
}

async function chooseRange(page: Page, from: string, to: string): Promise<void> {
  const custom = page.getByRole('button', { name: 'Custom range' })
  if ((await custom.getAttribute('aria-expanded')) === 'false') await custom.click()
  await page.getByLabel('From', { exact: true }).fill(from)
  await page.getByLabel('To', { exact: true }).fill(to)
  await page.getByRole('button', { name: 'Show', exact: true }).click()
}

function sumOf(rows: readonly (readonly string[])[]): number {
  return rows.reduce((sum, [, count = '']) => sum + Number(count.replaceAll(',', '')), 0)
}

function minuteOf(instant: number): number {
  return Math.floor(instant / MINUTE_MS) * MINUTE_MS
}

/** When the day began where the clock is so far ahead of UTC. */
function dayBegin(instant: number, aheadMs: number): number {
  return Math.floor((instant + aheadMs) / DAY_MS) * DAY_MS - aheadMs
}
