// What a day of another installation adds to this one. Pure.
import { DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS } from '../minute.ts'
import type { CountedDay, DaySlot } from './copy-store.ts'

export const DAY_MINUTES = DAY_MS / MINUTE_MS
export const DAY_QUARTERS = DAY_MS / QUARTER_MS
export const DAY_HOURS = DAY_MS / HOUR_MS
export const HOUR_MINUTES = HOUR_MS / MINUTE_MS
const QUARTER_MINUTES = QUARTER_MS / MINUTE_MS

/** What was taken over of a day before, or is now. */
export interface RememberedDay {
  /** Without what was imported from the original service. */
  readonly minutes: Int32Array
  readonly quarters: Int32Array
  readonly imported: Int32Array
}

/** What is to be added to the counts, and what to be remembered then. */
export interface Gain extends DaySlot {
  readonly minutes: Int32Array
  readonly quarters: Int32Array
  readonly clicks: number
  readonly remembered: RememberedDay
}

export function emptyDay({ bannerId, day }: DaySlot): CountedDay {
  return { bannerId, day, ...emptyMemory() }
}

export function emptyMemory(): RememberedDay {
  return {
    minutes: new Int32Array(DAY_MINUTES),
    quarters: new Int32Array(DAY_QUARTERS),
    imported: new Int32Array(DAY_MINUTES),
  }
}

function slotKey({ bannerId, day }: DaySlot): string {
  return `${bannerId}/${day}`
}

/**
 * A count that was imported at both ends is the same one, so it rises to the higher of the two; what
 * the source has counted itself is added to what this one has.
 */
export function gainOf(given: CountedDay, known: RememberedDay): Gain {
  const minutes = new Int32Array(DAY_MINUTES)
  const quarters = new Int32Array(DAY_QUARTERS)
  const own = given.quarters.slice()
  const remembered = {
    minutes: known.minutes.slice(),
    quarters: known.quarters.slice(),
    imported: known.imported.slice(),
  }
  given.imported.forEach((imported, at) => {
    const quarter = Math.floor(at / QUARTER_MINUTES)
    const gained = raise(remembered.imported, at, imported)
    add(quarters, quarter, gained)
    add(own, quarter, -imported)
    const counted = Number(given.minutes[at]) - imported
    add(minutes, at, gained + raise(remembered.minutes, at, counted))
  })
  own.forEach((count, quarter) => {
    add(quarters, quarter, raise(remembered.quarters, quarter, count))
  })
  const clicks = sum(quarters)
  return { bannerId: given.bannerId, day: given.day, minutes, quarters, clicks, remembered }
}

/** Returns by how much it was raised. */
function raise(counts: Int32Array, at: number, count: number): number {
  const gained = Math.max(0, count - Number(counts[at]))
  add(counts, at, gained)
  return gained
}

function add(counts: Int32Array, at: number, count: number): void {
  counts[at] = Number(counts[at]) + count
}

interface LatestDay extends DaySlot {
  readonly deltas: { readonly minute: number; readonly count: number }[]
}

/** Deltas that are not merged yet, by day: they are added to what the tables say. */
export class LatestDays {
  readonly #days = new Map<string, LatestDay>()

  add(bannerId: number, minute: number, count: number): void {
    const slot = { bannerId, day: Math.floor(minute / DAY_MINUTES) }
    const key = slotKey(slot)
    const { deltas } = this.#days.get(key) ?? this.#begin(key, slot)
    deltas.push({ minute, count })
  }

  #begin(key: string, slot: DaySlot): LatestDay {
    const day = { ...slot, deltas: [] }
    this.#days.set(key, day)
    return day
  }

  /** Adds what there is of a day to what is merged of it. */
  moveTo(to: CountedDay): void {
    for (const { minute, count } of this.#days.get(slotKey(to))?.deltas ?? []) {
      const at = minute - to.day * DAY_MINUTES
      add(to.minutes, at, count)
      add(to.quarters, Math.floor(at / QUARTER_MINUTES), count)
    }
    this.#days.delete(slotKey(to))
  }

  /** Days of which nothing was merged, one at a time: each takes 12 KB. */
  *rest(): Generator<CountedDay> {
    for (const slot of this.#days.values()) {
      const day = emptyDay(slot)
      this.moveTo(day)
      yield day
    }
  }
}

export function sum(counts: Int32Array | readonly number[]): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
