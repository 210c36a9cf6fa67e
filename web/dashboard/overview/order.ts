import type { Banner } from '../api/api.ts'

export type Column = 'clicks' | 'name' | 'id'

export interface Order {
  readonly column: Column
  readonly isDescending: boolean
}

/** Most clicks first, names and ids from the beginning. */
export const FIRST_ORDERS: Readonly<Record<Column, Order>> = {
  clicks: { column: 'clicks', isDescending: true },
  name: { column: 'name', isDescending: false },
  id: { column: 'id', isDescending: false },
}

export interface Listed {
  readonly search: string
  readonly withArchived: boolean
  readonly order: Order
  readonly totals: ReadonlyMap<number, number>
  /** How names are compared. */
  readonly compare: (one: string, other: string) => number
}

/** The ids of the banners that are listed, in their order; ties by id. */
export function listed(banners: readonly Banner[], options: Listed): number[] {
  const { search, withArchived, order, totals, compare } = options
  const wanted = search.trim().toLowerCase()
  const found = banners.filter(
    ({ id, name, status }) =>
      (withArchived || status !== 'archived') &&
      (wanted === '' || name.toLowerCase().includes(wanted) || String(id).startsWith(wanted)),
  )
  const sign = order.isDescending ? -1 : 1
  const by: Record<Column, (one: Banner, other: Banner) => number> = {
    clicks: (one, other) => (totals.get(one.id) ?? 0) - (totals.get(other.id) ?? 0),
    name: (one, other) => compare(one.name, other.name),
    id: (one, other) => one.id - other.id,
  }
  return found
    .toSorted((one, other) => sign * by[order.column](one, other) || one.id - other.id)
    .map(({ id }) => id)
}
