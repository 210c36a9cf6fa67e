const WINDOW_MS = 10_000

/** How many clicks a second were counted in the last ten seconds. */
export class Rate {
  #since: number | undefined
  #added: { readonly at: number; readonly clicks: number }[] = []

  /** Begins anew: what is told after a pause did not happen within a second. */
  begin(at: number): void {
    this.#since = at
    this.#added = []
  }

  add(clicks: number, at: number): void {
    this.#added.push({ at, clicks })
  }

  /** Clicks a second; undefined in the first seconds, in which nobody can know. */
  perSecond(at: number): number | undefined {
    if (this.#since === undefined || at - this.#since < 1_000) return undefined
    this.#added = this.#added.filter((each) => at - each.at < WINDOW_MS)
    const clicks = this.#added.reduce((sum, each) => sum + each.clicks, 0)
    return clicks / (Math.min(at - this.#since, WINDOW_MS) / 1_000)
  }
}
