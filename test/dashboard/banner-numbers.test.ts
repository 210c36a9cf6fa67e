import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { describeDashboard } from '../support/dashboard.ts'
import { fillHistory } from '../support/history.ts'
import { runInStore } from '../support/past.ts'
import { becomes, figureOf, isDrawn, rowsOf } from '../support/shown.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** A day on which clocks in Berlin are put back: 25 hours. */
const DAY = {
  tsFrom: '2025-10-26T00:00:00+02:00',
  tsTo: '2025-10-27T00:00:00+01:00',
  step: 'hour',
  tz: 'Europe/Berlin',
}
const DAY_BEFORE = { ...DAY, tsFrom: '2025-10-25T00:00:00+02:00', tsTo: DAY.tsFrom }
const ADDRESS =
  '/#/banners/42?from=2025-10-25T22:00Z&to=2025-10-26T23:00Z&step=hour&tz=Europe/Berlin'
const HISTORY = { from: Date.parse('2025-10-20T00:00Z'), to: Date.parse('2025-11-01T00:00Z') }

interface Stats {
  readonly total: number
  readonly counts: readonly { readonly timestamp: string; readonly count: number }[]
}

describeDashboard('the numbers of a banner', (at) => {
  before(() => {
    if (at.app.store.kind !== 'sqlite') throw new Error('only the embedded store can be filled')
    fillHistory({
      folder: at.app.store.folder,
      bannerIds: [42],
      ...HISTORY,
      // Another count each hour, and one minute that has the most.
      countOf: (_, minute) =>
        minute === Date.parse('2025-10-26T09:17Z')
          ? 12_345
          : Number((minute / MINUTE_MS) % 7 === 0) * Math.floor((minute / HOUR_MS) % 31),
    })
    // One click a minute.
    fillHistory({
      folder: at.app.store.folder,
      bannerIds: [8],
      from: Date.now() - 80 * 24 * HOUR_MS,
      to: Date.now(),
      countOf: () => 1,
    })
  })

  async function ask(query: Record<string, string>): Promise<Response> {
    const answer = await fetch(`${at.app.origin}/stats/42?${String(new URLSearchParams(query))}`)
    assert.equal(answer.status, 200)
    return answer
  }

  async function stats(query: Record<string, string>): Promise<Stats> {
    return (await (await ask({ ...query, fill: 'zero' })).json()) as Stats // its own tests hold it to that
  }

  test('D11: the table, the chart and the file have the numbers that the service answers', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    const { counts } = await stats(DAY)
    const { counts: countsBefore } = await stats(DAY_BEFORE)
    assert.equal(counts.length, 25)
    // The day before had two o'clock once.
    const dayBefore = countsBefore.map(({ count }) => digits(count)).toSpliced(3, 0, '—')

    await page.goto(`${ADDRESS}&as=table`)
    await becomes(async () => (await rowsOf(page)).length, 25)
    await page.getByText(/^Previous period: /).waitFor()
    const rows = (await rowsOf(page)).toReversed()
    assert.deepEqual(
      rows.map(([, count, earlier]) => [count, earlier]),
      counts.map(({ count }, hour) => [digits(count), dayBefore[hour]]),
    )
    // Two o'clock comes twice.
    assert.deepEqual(
      rows.slice(1, 5).map(([time]) => time),
      ['01:00', '02:00 GMT+2', '02:00 GMT+1', '03:00'].map((time) => `26 Oct 2025, ${time}`),
    )

    assert.equal(
      await download(page),
      await (await ask({ ...DAY, fill: 'zero', format: 'csv' })).text(),
    )

    await page.getByRole('button', { name: 'Chart' }).click()
    const plot = page.getByRole('img', { name: /^Clicks on Banner 42/ }).locator('.u-over')
    const box = await plot.boundingBox()
    if (box === null) throw new Error('the chart is not seen')
    for (const [hour, [time, count, earlier]] of rows.entries()) {
      await page.mouse.move(box.x + 1 + ((box.width - 2) * hour) / 24, box.y + 50)
      const said =
        earlier === '—' ? `${time}: ${count}` : `${time}: ${count} · Previous period: ${earlier}`
      await becomes(async () => (await page.locator('figcaption').innerText()).trim(), said)
    }
    await opened.assertClean()
  })

  test('D11: total, busiest minute, average and the period before are those of the service', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(ADDRESS)
    const { total } = await stats(DAY)
    const earlier = await stats(DAY_BEFORE)
    await becomes(() => figureOf(page, 'Total'), digits(total))
    await page.getByText(`Previous period: ${digits(earlier.total)}`).waitFor()
    assert.equal(await figureOf(page, 'Busiest minute'), '12,345')
    await page.getByText('26 Oct 2025, 10:17').waitFor()
    const average = new Intl.NumberFormat('en', { maximumFractionDigits: 2 }).format(total / 25)
    assert.equal(await figureOf(page, 'Average per hour'), average)
    // It is drawn, too, and nothing of it is open.
    await page.getByText('Previous period', { exact: true }).waitFor()
    await becomes(() => isDrawn(page, 'faint'), true)
    assert.equal(await page.getByText('Dashed: not complete yet.').count(), 0)
    await opened.assertClean()
  })

  test('D11: steady clicks are no fall while a period runs', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    for (const [range, step] of [
      ['hour', 'minute'],
      ['today', 'hour'],
      ['today', 'day'],
      ['7days', 'hour'],
      ['30days', 'day'],
      ['30days', 'week'],
    ] as const) {
      await page.goto(`/#/banners/8?range=${range}&step=${step}&tz=Asia/Kathmandu`)
      await page.locator('.numbers[aria-busy=false]').waitFor()
      await becomes(async () => {
        const said = await page.getByText(/^Previous period: /).innerText()
        const [earlier, total] = [said, await figureOf(page, 'Total')].map((each) =>
          Number(each.replaceAll(/\D/g, '')),
        )
        return Math.abs((earlier ?? 0) - (total ?? 0)) <= 2 // one that runs, and one that began meanwhile
      }, true)
    }
    await opened.assertClean()
  })

  test('D11: numbers of the choice before are dimmed, and saved for nobody', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto(ADDRESS)
    await page.getByText('From 26 Oct 2025, 00:00 to 27 Oct 2025, 00:00').waitFor()
    const chart = page.getByRole('figure')
    const place = await chart.boundingBox()
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>()
    await page.route('**/series?*', async (route) => {
      await released
      await route.continue()
    })
    // Of the same step: nothing else tells them apart.
    await page.goto(
      '/#/banners/42?from=2025-10-27T00:00Z&to=2025-10-29T00:00Z&step=hour&tz=Europe/Berlin',
    )
    await page.locator('.numbers[aria-busy=true]').getByText('Loading…').waitFor()
    assert.deepEqual(await chart.boundingBox(), place) // where it was
    const button = page.getByRole('button', { name: 'Download as CSV' })
    assert.equal(await button.isDisabled(), true)
    release(undefined)
    await page.locator('.numbers[aria-busy=false]').waitFor()
    await page.getByText('From 27 Oct 2025, 01:00 to 29 Oct 2025, 01:00').waitFor()
    assert.equal(await page.getByText('Loading…').count(), 0)
    const [saved] = await Promise.all([page.waitForEvent('download'), button.click()])
    assert.equal(saved.suggestedFilename(), 'banner-42-hour-2025-10-27T0100-2025-10-29T0100.csv')
    await opened.assertClean()
  })

  test('D11: a step longer than the range is no choice, and what is read beyond the range is told', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/8?range=today&step=month&tz=UTC')
    await page.waitForURL(/step=hour/)
    const disabled = await page
      .getByLabel('Step')
      .locator('option:disabled')
      .evaluateAll((options) => options.map(({ textContent }) => textContent))
    assert.deepEqual(disabled, ['Week', 'Month'])
    await page.getByText(/^From .*, 00:00 until now/).waitFor()
    await page.goto('/#/banners/42?from=2025-10-22T00:00Z&to=2025-10-29T00:00Z&step=week&tz=UTC')
    await page.getByText('From 20 Oct 2025, 00:00 to 3 Nov 2025, 00:00').waitFor()
    await opened.assertClean()
  })

  test('D11: the file is of what is shown in any zone and step, without what is still to come', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    for (const [tz, step] of [
      ['UTC', 'day'],
      ['Asia/Kathmandu', 'hour'],
      ['Europe/London', 'week'],
      ['America/St_Johns', 'month'],
    ] as const) {
      const [tsFrom, tsTo] = ['2025-10-01T00:00:00Z', '2025-11-01T00:00:00Z']
      await page.goto(`/#/banners/42?from=${tsFrom}&to=${tsTo}&step=${step}&tz=${tz}&as=table`)
      const query = { tsFrom, tsTo, step, tz, fill: 'zero', format: 'csv' }
      const expected = await (await ask(query)).text()
      await becomes(() => download(page), expected)
    }
    // As many hours as have begun today, not the two days after it.
    const now = Date.now()
    const from = Math.floor(now / HOUR_MS - 3) * HOUR_MS
    const free = `from=${new Date(from).toISOString()}&to=${new Date(now + 48 * HOUR_MS).toISOString()}`
    await page.goto(`/#/banners/42?${free}&step=hour&tz=UTC&as=table`)
    await becomes(async () => (await rowsOf(page)).length >= 4, true)
    const rows = await rowsOf(page)
    assert.ok(rows.length <= 5)
    assert.equal((await download(page)).trim().split('\r\n').length, 1 + rows.length)
    await opened.assertClean()
  })

  test('D11: a click appears by itself, in a minute that is shown to be open', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/9')
    await page.getByText('No clicks in this range.').waitFor()
    assert.equal((await fetch(`${at.app.origin}/counter/9`)).status, 200)
    await becomes(() => figureOf(page, 'Total'), '1')
    await page.getByText('Dashed: not complete yet.').waitFor()
    await page.getByRole('button', { name: 'Table' }).click()
    const latest = page.getByRole('table').getByRole('row').nth(1)
    await latest.getByText('incomplete').waitFor()
    const open = page.getByRole('row').filter({ hasText: 'incomplete' })
    assert.ok((await open.count()) <= 2) // a minute may just have ended
    assert.equal((await fetch(`${at.app.origin}/counter/9`, { method: 'POST' })).status, 200)
    await becomes(() => figureOf(page, 'Total'), '2')
    await becomes(
      async () => (await rowsOf(page)).reduce((sum, [, count]) => sum + Number(count), 0),
      2,
    )
    await opened.assertClean()
  })

  test('D11: an answer that is some seconds behind says so in words, and how far', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    let behindMs = 12_000
    await page.route('**/series?*', async (route) => {
      const response = await route.fetch()
      const body = (await response.json()) as Record<string, unknown> // the service's own tests hold it to that
      const completeUntil = new Date(Date.now() - behindMs).toISOString()
      await route.fulfill({ response, json: { ...body, completeUntil } })
    })
    await page.goto('/#/banners/42?tz=UTC')
    const late = page.getByText(
      /^Counted up to \d\d:\d\d:\d\d \(1[1-3] seconds ago\)\. Later clicks are not included yet\.$/,
    )
    await late.waitFor()
    behindMs = 0
    await late.waitFor({ state: 'detached' })
    await opened.assertClean()
  })

  test('D11: where minutes are gone it says before when, and nothing where they are kept', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await runInStore(
      at.app,
      `update retention set minutes_from = ${Date.parse('2025-10-27T00:00Z') / MINUTE_MS}`,
    )
    const note = page.getByText(
      /^Minutes before 27 Oct 2025, 01:00 are no longer kept: times there are to the quarter of an hour/,
    )
    await page.goto(`${ADDRESS}&as=table`)
    await note.waitFor()
    assert.equal(await figureOf(page, 'Busiest minute'), '—')
    const kept = 'from=2025-10-27T00:00Z&to=2025-10-28T00:00Z&step=hour&tz=Europe/Berlin'
    await page.goto(`/#/banners/42?${kept}&as=table`)
    await note.waitFor({ state: 'detached' })
    await runInStore(at.app, 'update retention set minutes_from = 0')
    await opened.assertClean()
  })

  test('D11: too many steps for a chart are refused in words, and the way out is left open', async () => {
    await using opened = await at.newPage()
    const { page } = opened
    await page.goto('/#/banners/42?from=2025-01-01T00:00Z&to=2025-12-31T00:00Z&step=minute&tz=UTC')
    await page.getByText('Too many points for one chart: choose a longer step.').waitFor()
    assert.equal(await page.getByRole('button', { name: 'Try again' }).count(), 0)
    await page.getByLabel('Step').selectOption('Month')
    const { total } = await stats({
      tsFrom: '2025-01-01T00:00:00Z',
      tsTo: '2025-12-31T00:00:00Z',
      step: 'month',
    })
    await becomes(() => figureOf(page, 'Total'), digits(total))
    // The service does not look for the busiest minute of a year.
    assert.equal(await figureOf(page, 'Busiest minute'), '—')
    await page.getByText('Only for shorter ranges.').waitFor()
    await opened.assertClean()
  })
})

function digits(count: number): string {
  return count.toLocaleString('en')
}

/** What the browser saves. */
async function download(page: Page): Promise<string> {
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download as CSV' }).click(),
  ])
  assert.match(saved.suggestedFilename(), /^banner-42-[a-z]+(?:-\d{4}-\d\d-\d\dT\d{4}){2}\.csv$/)
  return await text(await saved.createReadStream())
}
