import { useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { listed, type Listed } from './order.ts'

/** Rows that overtake each other change places this often, and never below somebody's pointer. */
const SORT_INTERVAL_MS = 5_000

interface Sorted {
  readonly key: string
  readonly banners: readonly Banner[]
  /** When they were. */
  readonly at: number
  readonly ids: readonly number[]
}

type SortedOptions = Omit<Listed, 'totals'> & {
  readonly totals: ReadonlyMap<number, number> | undefined
}

/** Sorts at once what somebody asked for, but seldom what changes by itself. */
export function useSorted(banners: readonly Banner[], options: SortedOptions) {
  const isHeld = useRef(false)
  const last = useRef<Sorted | undefined>(undefined)
  const { search, withArchived, order, totals } = options
  const key = JSON.stringify([search, withArchived, order, totals !== undefined])
  const now = performance.now()
  const { current } = last
  const isSame = current !== undefined && current.key === key && current.banners === banners
  if (!isSame || (!isHeld.current && now - current.at > SORT_INTERVAL_MS)) {
    const ids = listed(banners, { ...options, totals: totals ?? new Map() })
    last.current = { key, banners, at: now, ids }
  }
  return {
    ids: last.current?.ids ?? [],
    hold: {
      onPointerEnter: () => (isHeld.current = true),
      onPointerLeave: () => (isHeld.current = false),
      onFocusIn: () => (isHeld.current = true),
      onFocusOut: () => (isHeld.current = false),
    },
  }
}
