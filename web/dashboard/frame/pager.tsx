import type { RefObject } from 'preact'
import { useLanguage } from './app.ts'

interface PagerProps {
  /** Whose rows they are: another page begins at its head. */
  readonly table: RefObject<HTMLTableElement | null>

  /** How many rows there are in all, and on a page. */
  readonly rows: number
  readonly pageRows: number
  /** From 0 on. */
  readonly page: number
  readonly onPage: (page: number) => void
}

/** Nothing where everything is on one page. */
export function Pager({ table, rows, pageRows, page, onPage }: PagerProps) {
  const language = useLanguage()
  const { text } = language
  if (rows <= pageRows) return null
  const first = page * pageRows
  const last = Math.min(first + pageRows, rows)
  // Not `disabled`: the button that led here would lose the focus.
  const [isFirst, isLast] = [page === 0, last >= rows]
  // The focus stays on the button: it is pressed again.
  const turn = (to: number): void => {
    onPage(to)
    table.current?.tHead?.scrollIntoView({ block: 'nearest' })
  }
  return (
    <nav class="pager" aria-label={text.pages}>
      <button type="button" aria-disabled={isFirst} onClick={() => isFirst || turn(page - 1)}>
        {text.previousPage}
      </button>
      <span>
        {text.page(language.number(first + 1), language.number(last), language.number(rows))}
      </span>
      <button type="button" aria-disabled={isLast} onClick={() => isLast || turn(page + 1)}>
        {text.nextPage}
      </button>
    </nav>
  )
}
