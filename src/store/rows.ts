import { BANNER_STATUSES, type BannerStatus } from '../banner.ts'
import type { Tally } from '../click.ts'
import { DAY_MS, MINUTE_MS, QUARTER_MS } from '../minute.ts'
import type { Resolution } from './count-store.ts'

/** How a tally is stored: a byte instead of a word, in every row and index. */
const TALLY_CODES = { click: 1 } as const satisfies Record<Tally, number>

export function codeOf(tally: Tally): number {
  return TALLY_CODES[tally]
}

export function tallyOf(code: number): Tally {
  if (code !== TALLY_CODES.click) throw new Error(`unknown tally code ${code}`)
  return 'click'
}

export function statusOf(value: unknown): BannerStatus {
  const status = BANNER_STATUSES.find((known) => known === value)
  if (status === undefined) throw new Error(`unknown banner status ${String(value)}`)
  return status
}

/** Each resolution's table, its slot column and its unit. */
export const TABLES = {
  minute: { table: 'minute_counts', column: 'minute', unitMs: MINUTE_MS },
  quarter: { table: 'quarter_counts', column: 'quarter', unitMs: QUARTER_MS },
  day: { table: 'day_counts', column: 'day', unitMs: DAY_MS },
} as const satisfies Record<Resolution, { table: string; column: string; unitMs: number }>
