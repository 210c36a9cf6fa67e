import { useEffect, useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { Pager } from '../frame/pager.tsx'
import { hashOf, type OverviewView } from '../route.ts'
import { Course } from './course.tsx'
import type { Course as CourseOfBanner } from './courses.ts'
import { FIRST_ORDERS, type Column, type Order } from './order.ts'
import type { OverviewModel } from './overview-model.ts'
import { keepPlace, usePage } from './place.ts'
import { useSorted } from './sorted.ts'

const PAGE_ROWS = 50

interface BannerTableProps {
  readonly model: OverviewModel
  readonly banners: readonly Banner[]
  readonly view: OverviewView
  readonly tz: string
}

/** Every banner with its total and its course, fifty on a page. */
export function BannerTable({ model, banners, view, tz }: BannerTableProps) {
  const app = useApp()
  const language = useLanguage()
  const { text } = language
  const [page, setPage] = usePage()
  const table = useRef<HTMLTableElement>(null)
  const { search, order, withArchived } = view
  // No step in the history: nobody goes back letter by letter.
  const list = (chosen: Partial<OverviewView>): void => {
    setPage(0)
    const current = app.view.peek()
    if (current.kind === 'overview') app.replace(current, { ...current, ...chosen })
  }
  const totals = model.totals.value
  const { ids, hold } = useSorted(banners, {
    search,
    withArchived,
    order,
    totals,
    totalsOf: model.totalsOf.value,
    compare: language.compare,
  })
  const pages = Math.max(1, Math.ceil(ids.length / PAGE_ROWS))
  const shownPage = Math.min(page, pages - 1)
  const shown = ids.slice(shownPage * PAGE_ROWS, (shownPage + 1) * PAGE_ROWS)
  useEffect(() => model.show(shown), [shown.join()])
  const known = new Map(banners.map((banner) => [banner.id, banner]))
  const textOf = (id: number): string => (totals ? language.number(totals.get(id) ?? 0) : text.none)
  const isBusy = totals !== undefined && !model.isCurrent.value
  const longest = Math.max(0, ...shown.map((id) => textOf(id).length))
  return (
    // Until the answer has come the last one stays in its place, but for nobody to take it for this one.
    <div class="numbers" aria-busy={isBusy}>
      <Tools
        search={search}
        onSearch={(typed) => list({ search: typed })}
        withArchived={withArchived}
        onArchived={(isWanted) => list({ withArchived: isWanted })}
        found={ids.length}
        total={
          isBusy ? undefined : totals && ids.reduce((sum, id) => sum + (totals.get(id) ?? 0), 0)
        }
      />
      <table class="banners" ref={table} style={{ '--length': longest }}>
        <Headings order={order} onOrder={(chosen) => list({ order: chosen })} />
        <tbody {...hold} onClickCapture={() => keepPlace(shownPage)}>
          {shown.map((id) => (
            <Row
              key={id}
              banner={known.get(id)}
              total={textOf(id)}
              course={model.courseOf(id)}
              href={hashOf({ kind: 'banner', id, period: view.period, tz, ...FIRST_CHOICE })}
            />
          ))}
        </tbody>
      </table>
      {ids.length === 0 && <WhyNothing isEmpty={banners.length === 0} search={search} />}
      <Pager
        table={table}
        rows={ids.length}
        pageRows={PAGE_ROWS}
        page={shownPage}
        onPage={setPage}
      />
    </div>
  )
}

interface WhyNothingProps {
  /** Whether there is no banner at all. */
  readonly isEmpty: boolean
  readonly search: string
}

function WhyNothing({ isEmpty, search }: WhyNothingProps) {
  const { text } = useLanguage()
  const found = search.trim() === '' ? text.allArchived : text.nothingFound
  return <p class="quiet">{isEmpty ? text.noBanners : found}</p>
}

interface ToolsProps {
  readonly search: string
  readonly onSearch: (text: string) => void
  readonly withArchived: boolean
  readonly onArchived: (withArchived: boolean) => void
  readonly found: number
  /** Of all that are listed, on whatever page; undefined: not known yet. */
  readonly total: number | undefined
}

function Tools({ search, onSearch, withArchived, onArchived, found, total }: ToolsProps) {
  const language = useLanguage()
  const { text } = language
  return (
    <div class="tools">
      <input
        type="search"
        dir="auto"
        aria-label={text.search}
        placeholder={text.search}
        value={search}
        onInput={(event) => onSearch(event.currentTarget.value)}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={withArchived}
          onChange={(event) => onArchived(event.currentTarget.checked)}
        />
        {text.showArchived}
      </label>
      <span class="quiet">
        {text.bannerCount(found, language)}
        {total !== undefined && ` · ${text.clickCount(total, language)}`}
      </span>
    </div>
  )
}

const FIRST_CHOICE = { step: undefined, form: 'chart' } as const

interface RowProps {
  readonly banner: Banner | undefined
  readonly total: string
  readonly course: CourseOfBanner | undefined
  readonly href: string
}

function Row({ banner, total, course, href }: RowProps) {
  const { text } = useLanguage()
  if (banner === undefined) return null
  const { id, name, status } = banner
  return (
    <tr>
      <td class="id">{id}</td>
      <th scope="row">
        <a href={href}>
          <bdi>{name}</bdi>
        </a>
        {status !== 'active' && <span class={`badge ${status}`}>{text.status[status]}</span>}
      </th>
      <td class="course-column">
        <Course course={course} name={name} />
      </td>
      <td class="count">{total}</td>
    </tr>
  )
}

interface HeadingsProps {
  readonly order: Order
  readonly onOrder: (order: Order) => void
}

function Headings({ order, onOrder }: HeadingsProps) {
  const { text } = useLanguage()
  return (
    <thead>
      <tr>
        {(['id', 'name'] as const).map((column) => (
          <Heading key={column} column={column} order={order} onOrder={onOrder} />
        ))}
        <th scope="col" class="course-column">
          {text.course}
        </th>
        <Heading column="clicks" order={order} onOrder={onOrder} />
      </tr>
    </thead>
  )
}

interface HeadingProps extends HeadingsProps {
  readonly column: Column
}

function Heading({ column, order, onOrder }: HeadingProps) {
  const { text } = useLanguage()
  const name = { clicks: text.clicks, name: text.name, id: text.id }[column]
  const isSorted = order.column === column
  const direction = order.isDescending ? 'descending' : 'ascending'
  const turned = { column, isDescending: !order.isDescending }
  return (
    <th scope="col" class={column} aria-sort={isSorted ? direction : 'none'}>
      <button
        type="button"
        title={text.sortBy(name)}
        onClick={() => onOrder(isSorted ? turned : FIRST_ORDERS[column])}
      >
        {name}
        <span aria-hidden="true">{isSorted ? (order.isDescending ? ' ▼' : ' ▲') : ''}</span>
      </button>
    </th>
  )
}
