// What the overview shows and what the service answers, to be compared.
import type { Page } from 'playwright-core'
import { become, digits, figure } from './overview-page.ts'

const HOUR_MS = 3_600_000

/** What an answer of GET /stats has. */
interface Totals {
  readonly total: number
  readonly banners: readonly { readonly name: string; readonly total: number }[]
}

/** Tile, sum and rows of the last hour; the minutes that it has are those of the moment. */
export async function showsLastHour(page: Page, origin: string): Promise<void> {
  await become(
    async () => [await figure(page, 'Last hour').innerText(), ...(await tableOf(page))],
    async () => {
      const now = Date.now()
      const { total } = await totals(origin, now - HOUR_MS, now)
      return [digits(total), ...(await tableOfService(origin, now - HOUR_MS, now, 'UTC'))]
    },
  )
}

/** The sum, and what the rows show. */
export async function tableOf(page: Page): Promise<string[]> {
  const sum = await page.getByText(/ clicks? in all$/).innerText()
  const rows = await page
    .getByRole('row')
    .filter({ has: page.getByRole('rowheader') })
    .all()
  const cells = rows.map(async (row) => {
    const name = await row.getByRole('rowheader').getByRole('link').innerText()
    return `${name}: ${await row.getByRole('cell').last().innerText()}`
  })
  const shown = (await Promise.all(cells)).filter((row) => !row.endsWith(': 0'))
  return [sum.replace(/^.* · /, ''), ...shown.toSorted()]
}

/** The same, as the service answers it. */
export async function tableOfService(
  origin: string,
  from: number,
  to: number,
  tz: string,
): Promise<string[]> {
  const { total, banners } = await totals(origin, from, to, tz)
  const rows = banners.map((banner) => `${banner.name}: ${digits(banner.total)}`)
  return [`${digits(total)} clicks in all`, ...rows.toSorted()]
}

export async function totals(
  origin: string,
  from: number,
  to: number,
  tz = 'UTC',
): Promise<Totals> {
  const query = new URLSearchParams({ tsFrom: String(from), tsTo: String(to), tz })
  const answer = await fetch(`${origin}/stats?${query.toString()}`)
  return (await answer.json()) as Totals
}

/** Keeps every sum that the page shows from now on. */
export async function recordTotals(page: Page): Promise<void> {
  await page.evaluate(`{
    const sum = () => document.body.innerText.match(/([\\d,]+) clicks in all/)?.[1]
    const record = () => {
      const shown = sum()
      if (shown !== undefined) window.totals.push(Number(shown.replaceAll(',', '')))
    }
    window.totals = []
    record()
    new MutationObserver(record)
      .observe(document.body, { childList: true, subtree: true, characterData: true })
  }`)
}

export async function recordedTotals(page: Page): Promise<number[]> {
  return await page.evaluate<number[]>(`window.totals`)
}
