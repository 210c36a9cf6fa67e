import { signal } from '@preact/signals'

/** One minute's count of one banner; `minute` is its first instant, Unix milliseconds. */
export interface LiveRow {
  readonly bannerId: number
  readonly minute: number
  readonly count: number
}

type Minutes = Map<number, Map<number, number>>

/** Counts by minute and banner, as the live stream tells them. Minutes are their first instants. */
export class LiveCounts {
  /** A new object whenever something in it has changed. */
  readonly #known = signal<{ readonly minutes: Minutes }>({ minutes: new Map() })

  /** Takes the rows' new values. Returns how many clicks they add to what was known. */
  take(rows: readonly LiveRow[]): number {
    const { minutes } = this.#known.peek()
    let added = 0
    for (const { minute, bannerId, count } of rows) {
      const counts = minutes.get(minute) ?? new Map<number, number>()
      minutes.set(minute, counts)
      added += count - (counts.get(bannerId) ?? 0)
      counts.set(bannerId, count)
    }
    this.#known.value = { minutes }
    return added
  }

  /** Of all banners, in [from, to). */
  total(from: number, to = Infinity): number {
    let total = 0
    for (const count of this.byBanner(from, to).values()) total += count
    return total
  }

  /** Of each banner with clicks, in [from, to). */
  byBanner(from: number, to = Infinity): Map<number, number> {
    const sums = new Map<number, number>()
    for (const [minute, counts] of this.#known.value.minutes) {
      if (minute < from || minute >= to) continue
      for (const [id, count] of counts) sums.set(id, (sums.get(id) ?? 0) + count)
    }
    return sums
  }

  /** Forgets minutes that began earlier. */
  forgetBefore(minute: number): void {
    const { minutes } = this.#known.peek()
    for (const known of minutes.keys()) if (known < minute) minutes.delete(known)
  }
}
