// What callers know of their clicks: which were acknowledged, and when.

/** Counts events whose instants do not go back, and says how many there were before an instant. */
export class Ledger {
  readonly #instants: number[] = []
  /** How many there were up to the end of each instant. */
  readonly #totals: number[] = []

  get total(): number {
    return this.#totals.at(-1) ?? 0
  }

  add(at: number): void {
    const last = this.#instants.at(-1) ?? -Infinity
    if (at > last) {
      this.#instants.push(at)
      this.#totals.push(this.total + 1)
      return
    }
    // The clock went back: later is safe, as it claims less.
    this.#totals[this.#totals.length - 1] = this.total + 1
  }

  before(instant: number): number {
    let low = 0
    let high = this.#instants.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#instants[middle] ?? Infinity) < instant) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : (this.#totals[low - 1] ?? 0)
  }
}

/** The longest time without an event since the last one was asked for. */
export class Silence {
  #last: number | undefined
  #longest = 0

  heard(at: number): void {
    if (this.#last !== undefined) this.#longest = Math.max(this.#longest, at - this.#last)
    this.#last = at
  }

  take(): number {
    const longest = this.#longest
    this.#longest = 0
    return longest
  }
}
