// Pure: an answer to a question about one banner as text for people.
import type { answerSeries } from '../query/stats-handlers.ts'
import { tableOf } from './bars.ts'
import { printable } from './print.ts'

/** More than these scroll away; a pipe gets all. */
const TERMINAL_ROWS_MAX = 500

type SeriesAnswer = Awaited<ReturnType<typeof answerSeries>>

/** With bars if there are `columns`, those of a terminal; plain otherwise. */
export function seriesText(answer: SeriesAnswer, columns: number | undefined): string {
  const { head, total, completeness } = answer
  const rows = Array.from(answer.rows, ({ timestamp, count }) => ({ label: timestamp, count }))
  const shown = columns === undefined ? rows : rows.slice(-TERMINAL_ROWS_MAX)
  const lines = [
    `Banner ${head.bannerID}: ${printable(head.name)}`,
    `${head.tsFrom} to ${head.tsTo} by ${head.step}, ${head.tz}`,
    '',
    ...tableOf(shown, columns ?? 0),
    ...(rows.length > 0 ? [''] : []),
  ]
  if (shown.length < rows.length) {
    lines.push(
      `the last ${shown.length} of ${rows.length} rows: a longer --step has fewer, --csv has all`,
    )
  }
  const change = completeness.partial ? '; this can still change' : ''
  if (completeness.minutesFrom !== undefined) {
    lines.push(
      `before ${completeness.minutesFrom} minutes are gone: times are to the quarter of an hour`,
    )
  }
  lines.push(`total ${total}`, `complete until ${completeness.completeUntil}${change}`)
  return `${lines.join('\n')}\n`
}
