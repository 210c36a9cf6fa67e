import type { Aggregate } from './count-store.ts'

/** What became of the records of a batch that the store holds: each is one of these. */
export interface Tallied {
  /** Clicks that raised a count. */
  readonly counted: number
  /** Clicks whose key was counted before. */
  readonly duplicates: number
  /** Counted or duplicates: the answer that told which was lost. */
  readonly unsettled: number
  /** Records that are no clicks. */
  readonly deadLetters: number
}

/** Told once of each batch that this process knows to be in the store. */
export type TalliedObserver = (tallied: Tallied) => void

/**
 * `answer` is what the store said when it took the batch in: how many clicks beside the deltas raised a
 * count, and how many records were no clicks. Undefined where it was in the store already.
 */
export function talliedOf(
  { deltas, keyed, suspects }: Aggregate,
  answer: { readonly fresh: number; readonly deadLetters: number } | undefined,
): Tallied {
  const plain = deltas.reduce((sum, { count }) => sum + count, 0)
  const others = keyed.length + suspects.length
  if (answer === undefined) {
    return { counted: plain, duplicates: 0, unsettled: others, deadLetters: 0 }
  }
  const { fresh, deadLetters } = answer
  const duplicates = others - fresh - deadLetters
  return { counted: plain + fresh, duplicates, unsettled: 0, deadLetters }
}
