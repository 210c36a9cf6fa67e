interface Counted {
  readonly counts: readonly number[]
  /** From this step on more clicks may come. */
  readonly openFrom: number
}

/** Clicks a step, of the steps that are over; undefined: none is. One that runs has not its share yet. */
export function averageOf({ counts, openFrom }: Counted): number | undefined {
  if (openFrom === 0) return undefined
  return counts.slice(0, openFrom).reduce((sum, count) => sum + count, 0) / openFrom
}
