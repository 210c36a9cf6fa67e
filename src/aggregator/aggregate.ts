import { keyHash, type Tally } from '../click.ts'
import type { Batch, Suspect } from '../log/click-log.ts'
import { floorTo, MINUTE_MS } from '../minute.ts'
import type { Aggregate, Delta, KeyedClick, SuspectRecord } from '../store/count-store.ts'

/**
 * Folds the clicks without key into one delta for each (banner, tally, minute). Pure, and the
 * order of clicks is irrelevant. Clicks with a key are passed on: only the store knows which are new.
 */
export function aggregate({
  span,
  clicks,
  suspects = [],
}: Pick<Batch, 'span' | 'clicks'> & Partial<Pick<Batch, 'suspects'>>): Aggregate {
  const groups: Group[] = []
  const keyed: KeyedClick[] = []
  for (const { bannerId, tally, at, key } of clicks) {
    const minute = floorTo(at, MINUTE_MS)
    if (key !== undefined) {
      keyed.push({ bannerId, tally, minute, keyHash: keyHash(bannerId, tally, key) })
      continue
    }
    const { counts } = groupOf(groups, tally, minute)
    counts.set(bannerId, (counts.get(bannerId) ?? 0) + 1)
  }
  const deltas = groups.flatMap(({ tally, minute, counts }) =>
    Array.from(counts, ([bannerId, count]): Delta => ({ bannerId, tally, minute, count })),
  )
  return {
    span,
    deltas: deltas.toSorted(bySlot),
    keyed: keyed.toSorted(bySlot),
    suspects: suspects.map(suspectRecord),
  }
}

function suspectRecord({ click, ...record }: Suspect): SuspectRecord {
  if (click === undefined) return record
  const { bannerId, tally, at, key } = click
  const slot = { bannerId, tally, minute: floorTo(at, MINUTE_MS) }
  if (key === undefined) return { ...record, click: slot }
  return { ...record, click: { ...slot, keyHash: keyHash(bannerId, tally, key) } }
}

/** The clicks of one tally and minute. A batch has one or two; one map with keys of three parts took 6 times as long. */
interface Group {
  readonly tally: Tally
  readonly minute: number
  /** By banner id. */
  readonly counts: Map<number, number>
}

function groupOf(groups: Group[], tally: Tally, minute: number): Group {
  const known = groups.find((group) => group.minute === minute && group.tally === tally)
  if (known !== undefined) return known
  const group = { tally, minute, counts: new Map<number, number>() }
  groups.push(group)
  return group
}

type Slot = Pick<Delta, 'bannerId' | 'tally' | 'minute'>

// One order of rows in every batch: stores that lock row by row deadlock without it.
function bySlot(a: Slot, b: Slot): number {
  return a.bannerId - b.bannerId || a.tally.localeCompare(b.tally) || a.minute - b.minute
}
