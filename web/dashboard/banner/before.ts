import type { Api, SeriesAnswer } from '../api/api.ts'
import { rangeBefore, stepsBefore, type SteppedRange } from '../model/period-before.ts'

/** The period before what is shown. */
export interface Before {
  /** Of the part that is compared: as long as what has passed of the period itself. */
  readonly total: number
  /** Beside each step that is shown; undefined: nothing can be compared with it. */
  readonly counts: readonly (number | undefined)[]
}

interface BeforeQuestion {
  readonly bannerId: number
  readonly shown: SteppedRange
  readonly now: number
  readonly signal: AbortSignal
}

/** Undefined: it would be before 1970. */
export async function readBefore(
  api: Pick<Api, 'series'>,
  { bannerId, shown, now, signal }: BeforeQuestion,
): Promise<Before | undefined> {
  const { until, ...range } = rangeBefore(shown, now)
  if (range.from < 0) return undefined
  const question = { banners: [bannerId], tz: shown.tz }
  const answer = await api.series({ ...question, ...range, step: shown.step }, signal)
  const counts = answer.banners[0]?.counts ?? []
  const { steps, rest } = upTo(until, answer)
  let total = counts.slice(0, steps).reduce((sum, count) => sum + count, 0)
  if (rest !== undefined) {
    const { banners } = await api.series({ ...question, ...rest, step: 'minute' }, signal)
    total += banners[0]?.total ?? 0
  }
  return { total, counts: stepsBefore(shown, answer.starts).map((index) => counts[index ?? -1]) }
}

/** The whole steps before an instant, and what is left of the one that contains it. */
function upTo(until: number, { starts, to }: SeriesAnswer) {
  const ends = [...starts.slice(1), to]
  const running = ends.findIndex((end) => end > until)
  if (running === -1) return { steps: starts.length, rest: undefined }
  const from = starts[running] ?? until
  return { steps: running, rest: from < until ? { from, to: until } : undefined }
}
