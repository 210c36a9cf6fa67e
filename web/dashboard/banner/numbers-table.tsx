import { useRef, useState } from 'preact/hooks'
import { useLanguage } from '../frame/app.ts'
import { Pager } from '../frame/pager.tsx'
import { stepText } from '../text/step-text.ts'
import type { Shown } from './banner-model.ts'

const PAGE_ROWS = 100

/** The numbers of the chart, the latest first, a hundred on a page. */
export function NumbersTable({ shown }: { readonly shown: Shown }) {
  const language = useLanguage()
  const { text } = language
  const [page, setPage] = useState(0)
  const table = useRef<HTMLTableElement>(null)
  const { starts, series, before, step, tz, openFrom, futureFrom } = shown
  const pages = Math.max(1, Math.ceil(futureFrom / PAGE_ROWS))
  const first = Math.min(page, pages - 1) * PAGE_ROWS
  const rows = Array.from({ length: Math.min(PAGE_ROWS, futureFrom - first) }, (_, row) => {
    const index = futureFrom - 1 - first - row
    return { index, start: starts[index] ?? 0 }
  })
  return (
    <>
      <table class="steps" ref={table}>
        <thead>
          <tr>
            <th scope="col">{text.time}</th>
            <th scope="col">{text.clicks}</th>
            <th scope="col">{text.before}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ index, start }) => (
            <tr key={start}>
              <th scope="row">
                {stepText(language, start, step, tz)}
                {index >= openFrom && <span class="badge">{text.open}</span>}
              </th>
              <td class="count">{language.number(series.counts[index] ?? 0)}</td>
              <td class="count quiet">{beforeText(before?.counts[index])}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager
        table={table}
        rows={futureFrom}
        pageRows={PAGE_ROWS}
        page={Math.min(page, pages - 1)}
        onPage={setPage}
      />
    </>
  )

  function beforeText(count: number | undefined): string {
    return count === undefined ? text.none : language.number(count)
  }
}
