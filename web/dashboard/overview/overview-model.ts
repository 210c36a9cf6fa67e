import { computed, signal } from '@preact/signals'
import type { Api, Banner, Completeness, Range } from '../api/api.ts'
import { LiveStream } from '../api/live-stream.ts'
import { Schedule } from '../frame/schedule.ts'
import { LiveCounts, type LiveRow } from '../model/live-counts.ts'
import { minuteOf, rangeOf, type Period } from '../model/period.ts'
import { Rate } from '../model/rate.ts'
import { Courses, type Course } from './courses.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** The stream tells the current minute and ten before it; the oldest may be gone by the next request. */
const LIVE_MINUTES_MS = 9 * MINUTE_MS
/** Those that are kept: a late click is added to what its minute had. */
const KEPT_MINUTES_MS = 12 * MINUTE_MS
const REFRESH_MS = 5_000
const LIST_REFRESH_MS = 5 * MINUTE_MS
/** Not all pages ask in the same moment when a minute turns. */
const SPREAD_MS = 8_000

/** Totals as they were answered; what comes later is added to them from the live counts. */
interface Base {
  readonly choice: string
  readonly range: Range
  /** The answers end here, and live counts begin. Infinity: nothing is live yet. */
  readonly liveFrom: number
  readonly banners: ReadonlyMap<number, number>
  readonly hour: { readonly since: number; readonly total: number }
  readonly day: { readonly since: number; readonly total: number }
}

export interface Figure {
  readonly since: number
  readonly total: number
}

/**
 * The numbers of the overview. A request tells the totals up to some minutes ago, the live stream
 * every minute since: together they are each click once. Once a minute, when ranges have moved on,
 * the request is made again, and then has clicks that were counted later than the stream tells; every
 * five seconds while there is no stream.
 */
export class OverviewModel {
  /** All of them, or undefined. */
  readonly banners = signal<readonly Banner[] | undefined>(undefined)
  /** How many of them have come so far, the first time. */
  readonly loaded = signal(0)
  readonly completeness = signal<Completeness | undefined>(undefined)
  /** Clicks a second. */
  readonly rate = signal<number | undefined>(undefined)
  readonly stream: LiveStream
  readonly #api: Api
  readonly #live = new LiveCounts()
  readonly #rate = new Rate()
  /** Of the last second: minutes begin, also without clicks. */
  readonly #now = signal(0)
  /** Undefined: not known. Once there was a click it is never asked for again. */
  readonly #wasEmpty = signal<boolean | undefined>(undefined)
  readonly #base = signal<Base | undefined>(undefined)
  readonly #ended = new AbortController()
  readonly #courses: Courses
  readonly #numbers: Schedule
  readonly #course: Schedule
  readonly #list: Schedule
  readonly #freshness: Schedule
  readonly #second: ReturnType<typeof setInterval>
  readonly #lookedFor = new Set<number>()
  #period: Period
  #zone: string
  readonly #choice
  readonly #isFollowing = signal(false)

  constructor(api: Api, { period, zone }: { readonly period: Period; readonly zone: string }) {
    this.#api = api
    this.#period = period
    this.#zone = zone
    this.#choice = signal(choiceOf(period, zone))
    this.#courses = new Courses(api, { period, zone, signal: this.#ended.signal })
    const nextMinuteMs = (): number =>
      MINUTE_MS - (api.now() % MINUTE_MS) + Math.random() * SPREAD_MS
    this.#numbers = new Schedule({
      work: () => this.#readNumbers(),
      nextMs: () => (this.#isFollowing.peek() ? nextMinuteMs() : REFRESH_MS),
    })
    this.#course = new Schedule({ work: () => this.#courses.read(), nextMs: nextMinuteMs })
    this.#freshness = new Schedule({ work: () => this.#readFreshness(), nextMs: () => REFRESH_MS })
    this.#list = new Schedule({
      work: () => this.#readBanners(),
      nextMs: () => LIST_REFRESH_MS,
    })
    this.stream = new LiveStream({ api, onRows: (rows, isFirst) => this.#take(rows, isFirst) })
    this.#now.value = api.now()
    this.#second = setInterval(() => this.#tick(), 1_000)
  }

  /** Why the numbers are not up to date; the small pictures are none. */
  readonly failure = computed(
    () => this.#numbers.failure.value ?? this.#list.failure.value ?? this.#freshness.failure.value,
  )
  readonly minute = computed<Figure | undefined>(() => {
    if (!this.#isFollowing.value) return undefined
    const since = minuteOf(this.#now.value - MINUTE_MS)
    return { since, total: this.#live.total(since) }
  })
  readonly hour = computed(() => this.#figure(this.#base.value?.hour))
  readonly day = computed(() => this.#figure(this.#base.value?.day))
  /** No click was ever counted. */
  readonly isUntouched = computed(
    () => this.#wasEmpty.value === true && this.day.value?.total === 0,
  )
  /** Of the chosen range: that of each banner with clicks. */
  readonly totals = computed<ReadonlyMap<number, number> | undefined>(() => {
    const base = this.#base.value
    if (base === undefined) return undefined
    const { from, to } = liveRange(base)
    const totals = new Map(base.banners)
    for (const [id, count] of this.#live.byBanner(from, to))
      totals.set(id, (totals.get(id) ?? 0) + count)
    return totals
  })

  /** Of what choice the totals are: another one than that of now while its own are on their way. */
  readonly totalsOf = computed(() => this.#base.value?.choice)
  readonly isCurrent = computed(() => this.totalsOf.value === this.#choice.value)
  /** Whether the banners can stand in their order, or never will. */
  readonly isSettled = computed(
    () => this.#base.value !== undefined || this.#numbers.failure.value !== undefined,
  )

  /** The counts of a banner over the range. */
  courseOf(bannerId: number): Course | undefined {
    return this.#courses.of(bannerId, this.totals.value?.get(bannerId) ?? 0)
  }

  /** The banners whose course is wanted. */
  show(bannerIds: readonly number[]): void {
    if (this.#courses.show(bannerIds)) this.#course.soon()
  }

  choose(period: Period, zone: string): void {
    const choice = choiceOf(period, zone)
    if (choice === this.#choice.peek()) return
    this.#period = period
    this.#zone = zone
    this.#choice.value = choice
    this.#courses.choose(period, zone)
    this.#numbers.soon()
    this.#course.soon()
  }

  retry(): void {
    this.stream.retry()
    for (const schedule of this.#schedules()) schedule.soon()
  }

  close(): void {
    clearInterval(this.#second)
    this.#ended.abort()
    this.stream.close()
    for (const schedule of this.#schedules()) schedule.close()
  }

  #take(rows: readonly LiveRow[], isFirst: boolean): void {
    const now = performance.now()
    const added = this.#live.take(rows)
    if (isFirst) {
      this.#rate.begin(now)
      this.#isFollowing.value = true
      this.#numbers.refresh()
      for (const schedule of this.#schedules()) schedule.recover()
    } else {
      this.#rate.add(added, now)
    }
    this.#lookFor(rows)
  }

  /** Somebody has added a banner, maybe: the list is read again, once for each. */
  #lookFor(rows: readonly LiveRow[]): void {
    const banners = this.banners.peek()
    if (banners === undefined || this.#list.isWorking) return
    const known = new Set(banners.map(({ id }) => id))
    const unknown = rows.map(({ bannerId }) => bannerId).filter((id) => !known.has(id))
    if (unknown.every((id) => this.#lookedFor.has(id))) return
    for (const id of unknown) this.#lookedFor.add(id)
    this.#list.refresh()
  }

  #tick(): void {
    if (document.hidden) return
    if (this.#isFollowing.peek() && this.stream.state.peek() !== 'open') {
      this.#isFollowing.value = false
      this.#numbers.refresh()
    }
    this.rate.value = this.#isFollowing.peek() ? this.#rate.perSecond(performance.now()) : undefined
    this.#now.value = this.#api.now()
  }

  async #readNumbers(): Promise<void> {
    const now = await this.#api.time()
    // A tab that was hidden knows no live counts of that time, before the stream has begun anew.
    const isFollowing = this.#isFollowing.peek() && this.stream.state.peek() === 'open'
    const liveFrom = isFollowing ? minuteOf(now) - LIVE_MINUTES_MS : Infinity
    const [period, zone, choice] = [this.#period, this.#zone, this.#choice.peek()]
    const range = rangeOf(period, zone, now)
    const [chosen, hour, day] = await Promise.all([
      this.#totals(range, liveFrom),
      this.#totals({ from: now - HOUR_MS, to: now }, liveFrom, 1),
      this.#totals({ from: now - DAY_MS, to: now }, liveFrom, 1),
    ])
    if (day.total > 0) this.#wasEmpty.value = false
    if (this.#wasEmpty.peek() !== false) {
      const all = await this.#api.totals({ from: 0, to: now }, 1, this.#ended.signal)
      this.#wasEmpty.value = all.total === 0
    }
    if (choice !== this.#choice.peek()) return // somebody chose another meanwhile
    this.#live.forgetBefore(minuteOf(now) - KEPT_MINUTES_MS)
    this.#base.value = {
      choice,
      range: { from: range.from, to: period.kind === 'free' ? range.to : Infinity },
      liveFrom,
      banners: chosen.banners,
      hour: { since: minuteOf(now - HOUR_MS), total: hour.total },
      day: { since: minuteOf(now - DAY_MS), total: day.total },
    }
  }

  async #readBanners(): Promise<void> {
    // They are shown when all are there: rows in an order that changes, and their sum, would tell nothing.
    const observe = (some: readonly Banner[]): void => void (this.loaded.value = some.length)
    this.banners.value = await this.#api.banners(observe, this.#ended.signal)
  }

  async #readFreshness(): Promise<void> {
    const now = await this.#api.time()
    this.completeness.value = await this.#api.totals(
      { from: now - 1, to: now },
      1,
      this.#ended.signal,
    )
  }

  async #totals({ from, to }: Range, liveFrom: number, top?: number) {
    const end = Math.min(to, liveFrom)
    if (minuteOf(from) >= end) return { total: 0, banners: new Map<number, number>() } // all is live
    return await this.#api.totals({ from, to: end }, top, this.#ended.signal)
  }

  #schedules(): readonly Schedule[] {
    return [this.#list, this.#numbers, this.#course, this.#freshness]
  }

  #figure(figure: Figure | undefined): Figure | undefined {
    const base = this.#base.value
    if (figure === undefined || base === undefined) return undefined
    return { since: figure.since, total: figure.total + this.#live.total(base.liveFrom) }
  }
}

function choiceOf(period: Period, zone: string): string {
  return JSON.stringify([period, zone])
}

/** The part of the range that the live counts tell. */
function liveRange({ range, liveFrom }: Base): Range {
  return { from: Math.max(minuteOf(range.from), liveFrom), to: range.to }
}
