import { useEffect, useReducer, useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { listed, type Listed } from './order.ts'

/** Rows that overtake each other change places this often, and never below somebody's pointer. */
const SORT_INTERVAL_MS = 5_000

interface Sorted {
  readonly key: string
  readonly banners: readonly Banner[]
  readonly totals: ReadonlyMap<number, number> | undefined
  /** When they were. */
  readonly at: number
  readonly ids: readonly number[]
}

type SortedOptions = Omit<Listed, 'totals'> & {
  readonly totals: ReadonlyMap<number, number> | undefined
  /** The choice that they answer. */
  readonly totalsOf: string | undefined
}

/** Sorts at once what somebody asked for, but seldom what changes by itself. */
export function useSorted(banners: readonly Banner[], options: SortedOptions) {
  const isPointed = useRef(false)
  const isFocused = useRef(false)
  const [, redraw] = useReducer((times: number) => times + 1, 0)
  const last = useRef<Sorted | undefined>(undefined)
  const { search, withArchived, order, totals, totalsOf } = options
  const key = JSON.stringify([search, withArchived, order, totalsOf])
  const now = performance.now()
  const { current } = last
  const isHeld = isPointed.current || isFocused.current
  const isAsked = current === undefined || current.key !== key
  const isDue = !isHeld && now - (current?.at ?? 0) > SORT_INTERVAL_MS
  const hasOthers = current?.banners !== banners
  if (isAsked || isDue || hasOthers) {
    const sorted = listed(banners, { ...options, totals: totals ?? new Map() })
    const ids = isHeld && !isAsked ? kept(current.ids, sorted) : sorted
    last.current = { key, banners, totals, at: now, ids }
  }
  const isStale = last.current?.totals !== totals
  useEffect(() => {
    if (!isStale || isHeld) return undefined
    // Nothing else may change for a while, and the rows would stand in an order of the past.
    const dueMs = SORT_INTERVAL_MS - (performance.now() - (last.current?.at ?? 0))
    const timer = setTimeout(redraw, Math.max(0, dueMs) + 1, undefined)
    return () => clearTimeout(timer)
  })
  const hold = (reason: { current: boolean }, isOn: boolean) => () => {
    reason.current = isOn
    if (!isOn) redraw(undefined)
  }
  return {
    ids: last.current?.ids ?? [],
    hold: {
      onPointerEnter: hold(isPointed, true),
      onPointerLeave: hold(isPointed, false),
      onFocusIn: hold(isFocused, true),
      onFocusOut: hold(isFocused, false),
    },
  }
}

/** The rows as they stood, without those that are gone; new ones come last. */
function kept(ids: readonly number[], sorted: readonly number[]): readonly number[] {
  const [listedNow, before] = [new Set(sorted), new Set(ids)]
  return [...ids.filter((id) => listedNow.has(id)), ...sorted.filter((id) => !before.has(id))]
}
