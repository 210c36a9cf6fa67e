import { PlainHistogram } from './plain-histogram.ts'

const REQUEST_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 1, 3, 10]
/** First digits of the statuses that every route has. */
const USUAL_KINDS: readonly number[] = [2, 4, 5]

/** What a route has answered. */
export class RouteFigures {
  /** By first digit of the status. */
  readonly #answers = new Float64Array(6)
  readonly seconds = new PlainHistogram(REQUEST_SECONDS)

  count(status: number, seconds: number): void {
    const kind = Math.trunc(status / 100)
    this.#answers[kind] = (this.#answers[kind] ?? 0) + 1
    this.seconds.observe(seconds)
  }

  /** As `2xx` and how many; the usual ones also where there were none, so that the first is a rise. */
  *answers(): Generator<readonly [status: string, answers: number]> {
    for (const [kind, answers] of this.#answers.entries()) {
      if (answers > 0 || USUAL_KINDS.includes(kind)) yield [`${kind}xx`, answers]
    }
  }
}
