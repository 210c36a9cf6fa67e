import { useLanguage } from './app.ts'

interface PagerProps {
  /** How many rows there are in all, and on a page. */
  readonly rows: number
  readonly pageRows: number
  /** From 0 on. */
  readonly page: number
  readonly onPage: (page: number) => void
}

/** Nothing where everything is on one page. */
export function Pager({ rows, pageRows, page, onPage }: PagerProps) {
  const language = useLanguage()
  const { text } = language
  if (rows <= pageRows) return null
  const first = page * pageRows
  const last = Math.min(first + pageRows, rows)
  return (
    <nav class="pager" aria-label={text.nextPage}>
      <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        {text.previousPage}
      </button>
      <span>
        {text.page(language.number(first + 1), language.number(last), language.number(rows))}
      </span>
      <button type="button" disabled={last >= rows} onClick={() => onPage(page + 1)}>
        {text.nextPage}
      </button>
    </nav>
  )
}
