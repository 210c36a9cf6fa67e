import { STEPS, type Range, type Step } from './api/api.ts'
import { isZone, PRESETS, type Period, type Preset } from './model/period.ts'
import { FIRST_ORDERS, type Column, type Order } from './overview/order.ts'

const BANNER_ID_MAX = 2_147_483_647

/** How the numbers of a banner are shown. */
type Form = 'chart' | 'table'

export type View =
  | {
      readonly kind: 'overview'
      readonly period: Period
      /** Undefined: the zone that was chosen last. */
      readonly tz: string | undefined
      readonly search: string
      readonly order: Order
      readonly withArchived: boolean
      readonly hasWrongRange?: true
    }
  | {
      readonly kind: 'banner'
      readonly id: number
      readonly period: Period
      /** Undefined: what suits the period. */
      readonly step: Step | undefined
      /** Undefined: the zone that was chosen last. */
      readonly tz: string | undefined
      readonly form: Form
      /** The address has a range that cannot be, and the period is another one. */
      readonly hasWrongRange?: true
    }
  | { readonly kind: 'new' }
  | { readonly kind: 'unknown' }

export type OverviewView = Extract<View, { kind: 'overview' }>

export const LAST_HOUR: Period = { kind: 'preset', preset: 'hour' }
export const OVERVIEW: OverviewView = {
  kind: 'overview',
  period: LAST_HOUR,
  tz: undefined,
  search: '',
  order: FIRST_ORDERS.clicks,
  withArchived: false,
}

/** The view of an address: what follows `#`. What cannot be read in its query is left out. */
export function viewOf(text: string): View {
  const [path = '', ...rest] = text.replace(/^#/, '').split('?')
  const query = new URLSearchParams(rest.join('?'))
  const period = periodOf(query)
  const wrongRange = isRangeWrong(query) && ({ hasWrongRange: true } as const)
  const tz = zoneOf(query)
  const [, bannerId] = /^\/banners\/([1-9]\d{0,9})$/.exec(path) ?? []
  if (bannerId !== undefined && Number(bannerId) <= BANNER_ID_MAX) {
    return {
      kind: 'banner',
      id: Number(bannerId),
      period,
      step: STEPS.find((step) => step === query.get('step')),
      tz,
      form: query.get('as') === 'table' ? 'table' : 'chart',
      ...wrongRange,
    }
  }
  if (path === '/new') return { kind: 'new' }
  if (path === '/' || path === '') {
    return {
      kind: 'overview',
      period,
      tz,
      search: query.get('search') ?? '',
      order: orderOf(query.get('sort')),
      withArchived: query.get('archived') === 'true',
      ...wrongRange,
    }
  }
  return { kind: 'unknown' }
}

/** The address of a view. */
export function hashOf(view: View): string {
  switch (view.kind) {
    case 'overview': {
      const { period, tz, search, order, withArchived } = view
      const sort = sortOf(order)
      return hash('/', {
        ...fieldsOf(period),
        ...(tz !== undefined && { tz }),
        ...(search !== '' && { search }),
        ...(sort !== DEFAULT_SORT && { sort }),
        ...(withArchived && { archived: 'true' }),
      })
    }
    case 'banner': {
      const { id, period, step, tz, form } = view
      return hash(`/banners/${id}`, {
        ...fieldsOf(period),
        ...(step && { step }),
        ...(tz !== undefined && { tz }),
        ...(form === 'table' && { as: form }),
      })
    }
    case 'new': {
      return '#/new'
    }
    case 'unknown': {
      return '#/'
    }
  }
  return view satisfies never
}

function hash(path: string, fields: Readonly<Record<string, string>>): string {
  // Both may stand in a query as they are, and are easier to read.
  const query = new URLSearchParams(fields).toString().replaceAll('%3A', ':').replaceAll('%2F', '/')
  return `#${path}${query === '' ? '' : `?${query}`}`
}

function periodOf(query: URLSearchParams): Period {
  const range = rangeOf(query)
  if (range !== undefined) return { kind: 'free', ...range }
  const preset = PRESETS.find((each) => each === query.get('range'))
  return preset === undefined ? LAST_HOUR : { kind: 'preset', preset }
}

function rangeOf(query: URLSearchParams): Range | undefined {
  const from = Date.parse(query.get('from') ?? '')
  const to = Date.parse(query.get('to') ?? '')
  return from >= 0 && from < to ? { from, to } : undefined // the service knows nothing before 1970
}

function isRangeWrong(query: URLSearchParams): boolean {
  return (query.has('from') || query.has('to')) && rangeOf(query) === undefined
}

function orderOf(sort: string | null): Order {
  const column = COLUMNS.find((each) => each === sort?.replace(/^-/, ''))
  if (column === undefined) return FIRST_ORDERS.clicks
  return { column, isDescending: sort?.startsWith('-') === true }
}

function sortOf({ column, isDescending }: Order): string {
  return `${isDescending ? '-' : ''}${column}`
}

const COLUMNS = Object.keys(FIRST_ORDERS) as Column[] // it has each of them
const DEFAULT_SORT = sortOf(FIRST_ORDERS.clicks)

function zoneOf(query: URLSearchParams): string | undefined {
  const tz = query.get('tz') ?? ''
  return isZone(tz) ? tz : undefined
}

function fieldsOf(period: Period): Readonly<Record<string, string>> {
  if (period.kind === 'free') {
    return { from: instantText(period.from), to: instantText(period.to) }
  }
  return period.preset === DEFAULT_PRESET ? {} : { range: period.preset }
}

const DEFAULT_PRESET: Preset = 'hour'

function instantText(instant: number): string {
  return new Date(instant).toISOString().replace(/(:00)?\.000Z$/, 'Z')
}
