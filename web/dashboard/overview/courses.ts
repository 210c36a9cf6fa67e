import { signal } from '@preact/signals'
import type { Api, BannerSeries } from '../api/api.ts'
import { Problem } from '../api/problem.ts'
import { rangeOf, type Period } from '../model/period.ts'
import { courseStep } from './course-step.ts'

/** The counts of a banner over the range, and what its total was when they were answered. */
interface Course {
  readonly counts: readonly number[]
  readonly total: number
}

/** The small pictures of the banners that are shown. */
export class Courses {
  readonly #api: Api
  readonly #signal: AbortSignal
  readonly #known = signal<ReadonlyMap<number, Course>>(new Map())
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
  of(bannerId: number, total: number): readonly number[] | undefined {
    const course = this.#known.value.get(bannerId)
    if (course === undefined) return undefined
    const later = Math.max(0, total - course.total)
    return [...course.counts.slice(0, -1), (course.counts.at(-1) ?? 0) + later]
  }

  async read(): Promise<void> {
    const [choice, shown] = [this.#choice, this.#shown]
    if (shown.size === 0) return
    const series = await this.#series([...shown], choice)
    if (choice !== this.#choice || shown !== this.#shown) return // somebody went on meanwhile
    this.#known.value = new Map(
      series.map(({ bannerId, counts, total }) => [bannerId, { counts, total }]),
    )
  }

  /** In as few requests as the service allows, which reads only so many counts for one. */
  async #series(
    banners: readonly number[],
    { period, zone }: { readonly period: Period; readonly zone: string },
  ): Promise<readonly BannerSeries[]> {
    const range = rangeOf(period, zone, await this.#api.time())
    const question = { ...range, banners, step: courseStep(range), tz: zone }
    try {
      return (await this.#api.series(question, this.#signal)).banners
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
