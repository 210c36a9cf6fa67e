// Pure: cells to the lines of a table.

const GAP = '  '

export interface Column {
  readonly heading: string
  /** Numbers stand under each other by their last digit. */
  readonly isNumber?: boolean
}

/** Every column as wide as its widest cell; no blanks at the ends of lines. */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = columns.map(({ heading }, index) =>
    rows.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), heading.length),
  )
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return columns[index]?.isNumber === true ? cell.padStart(width) : cell.padEnd(width)
      })
      .join(GAP)
      .trimEnd()
  return [columns.map(({ heading }) => heading), ...rows].map(lineOf)
}
