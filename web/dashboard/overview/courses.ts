import { signal } from '@preact/signals'
import type { Api } from '../api/api.ts'
import { Problem } from '../api/problem.ts'
import { rangeOf, type Period } from '../model/period.ts'
import { courseStep } from './course-step.ts'

/** The counts of a banner over the range. */
export interface Course {
  readonly counts: readonly number[]
  /** Whether the last step was not over when they were answered. */
  readonly isOpen: boolean
}

interface Answered extends Course {
  readonly bannerId: number
  readonly total: number
}

/** The small pictures of the banners that are shown. */
export class Courses {
  readonly #api: Api
  readonly #signal: AbortSignal
  readonly #known = signal<ReadonlyMap<number, Answered>>(new Map())
  #choice: { readonly period: Period; readonly zone: string }
  #shown: ReadonlySet<number> = new Set()

  constructor(
    api: Api,
    options: { readonly period: Period; readonly zone: string; readonly signal: AbortSignal },
  ) {
    const { period, zone } = options
    this.#api = api
    this.#signal = options.signal
    this.#choice = { period, zone }
  }

  /** Whether other banners are shown than were before; their order does not matter. */
  show(bannerIds: readonly number[]): boolean {
    const isSame =
      bannerIds.length === this.#shown.size && bannerIds.every((id) => this.#shown.has(id))
    if (!isSame) this.#shown = new Set(bannerIds)
    return !isSame
  }

  choose(period: Period, zone: string): void {
    this.#choice = { period, zone }
    this.#known.value = new Map()
  }

  /** `total` is what the banner has now: what came since the counts were read belongs to the last step. */
  of(bannerId: number, total: number): Course | undefined {
    const course = this.#known.value.get(bannerId)
    if (course === undefined) return undefined
    const later = Math.max(0, total - course.total)
    const counts = [...course.counts.slice(0, -1), (course.counts.at(-1) ?? 0) + later]
    return { counts, isOpen: course.isOpen }
  }

  async read(): Promise<void> {
    const [choice, shown] = [this.#choice, this.#shown]
    if (shown.size === 0) return
    const series = await this.#series([...shown], choice)
    if (choice !== this.#choice || shown !== this.#shown) return // somebody went on meanwhile
    this.#known.value = new Map(series.map((each) => [each.bannerId, each]))
  }

  /** In as few requests as the service allows, which reads only so many counts for one. */
  async #series(
    banners: readonly number[],
    { period, zone }: { readonly period: Period; readonly zone: string },
  ): Promise<readonly Answered[]> {
    const range = rangeOf(period, zone, await this.#api.time())
    const question = { ...range, banners, step: courseStep(range), tz: zone }
    try {
      const answer = await this.#api.series(question, this.#signal)
      const isOpen = answer.completeUntil < answer.to
      return answer.banners.map((each) => ({ ...each, isOpen }))
    } catch (error) {
      const isTooLarge = error instanceof Problem && error.code === 'range_too_large'
      if (!isTooLarge || banners.length === 1) throw error
      const half = Math.ceil(banners.length / 2)
      return [
        ...(await this.#series(banners.slice(0, half), { period, zone })),
        ...(await this.#series(banners.slice(half), { period, zone })),
      ]
    }
  }
}
