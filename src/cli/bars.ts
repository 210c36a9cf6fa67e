// Pure: rows to the lines of a table with bars.

export interface BarRow {
  readonly label: string
  readonly count: number
}

/** What is left for bars in less than this says nothing. */
const BAR_COLUMNS_MIN = 4
const GAP = '  '
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/**
 * Each row's label, its count, and a bar as long as its share of the largest count. No line with a
 * bar is as wide as `columns`; where a bar has no room, or `columns` is 0, there are none.
 */
export function tableOf(rows: readonly BarRow[], columns: number): string[] {
  let [labelColumns, countColumns, largest] = [0, 0, 0]
  for (const { label, count } of rows) {
    labelColumns = Math.max(labelColumns, label.length)
    countColumns = Math.max(countColumns, String(count).length)
    largest = Math.max(largest, count)
  }
  const textColumns = labelColumns + GAP.length + countColumns
  // One column stays free: some terminals begin a new line when the last one is filled.
  const room = columns - textColumns - GAP.length - 1
  return rows.map(({ label, count }) => {
    const text = `${label.padEnd(labelColumns)}${GAP}${String(count).padStart(countColumns)}`
    const bar = room < BAR_COLUMNS_MIN ? '' : barOf(count / largest, room)
    return bar === '' ? text : `${text}${GAP}${bar}`
  })
}

/** Whatever was counted can be seen. */
function barOf(share: number, columns: number): string {
  if (!(share > 0)) return ''
  const eighths = Math.max(1, Math.round(share * columns * EIGHTHS.length))
  return (
    '█'.repeat(Math.floor(eighths / EIGHTHS.length)) + (EIGHTHS[eighths % EIGHTHS.length] ?? '')
  )
}
