import { computed, signal } from '@preact/signals'
import type {
  Api,
  Banner,
  BannerSeries,
  Completeness,
  Range,
  SeriesAnswer,
  Step,
} from '../api/api.ts'
import { LiveStream } from '../api/live-stream.ts'
import type { LiveRow } from '../model/live-counts.ts'
import { Schedule } from '../frame/schedule.ts'
import { canTellPeak, isOpen, isTooFine, minuteOf, rangeOf, type Period } from '../model/period.ts'
import type { SteppedRange } from '../model/period-before.ts'
import { readBefore, type Before } from './before.ts'

const REFRESH_MS = 5_000
const CLOSED_REFRESH_MS = 60_000
/** Longer than a change takes to reach every process of the service: 2 s. */
const SPREAD_MS = 3_000
const LIVE_REFRESH_MIN_MS = 1_000
const MINUTE_MS = 60_000
const LIVE_MINUTES_MS = 11 * MINUTE_MS
/** Long answers are asked for less often: at most this share of the time is spent on them. */
const LOAD_MAX = 0.1

type Peak = BannerSeries['peak']

export interface Choice {
  readonly period: Period
  readonly step: Step
  readonly tz: string
}

export function isSame(one: Choice, other: Choice): boolean {
  const keys = [one, other].map(({ period, step, tz }) => JSON.stringify([period, step, tz]))
  return keys[0] === keys[1]
}

/** What is shown of a banner: all of it from one answer of the service, but for the period before. */
export interface Shown extends Choice, Completeness, Range {
  /** First instants of the steps. */
  readonly starts: readonly number[]
  readonly series: BannerSeries
  readonly before: Before | undefined
  readonly minutesFrom: number | undefined
  /** From this step on more clicks may come; the number of steps: none of them. */
  readonly openFrom: number
  /** From this step on nothing has happened yet. */
  readonly futureFrom: number
}

/** The numbers of one banner, asked for anew when the stream tells of a click, and now and then. */
export class BannerModel {
  readonly banner = signal<Banner | undefined>(undefined)
  readonly shown = signal<Shown | undefined>(undefined)
  readonly stream: LiveStream
  readonly #api: Api
  readonly #id: number
  readonly #ended = new AbortController()
  readonly #numbers: Schedule
  readonly #banner: Schedule
  #choice: Choice
  #before: { readonly key: string; readonly before: Before | undefined } | undefined
  readonly #liveCounts = new Map<number, number>()
  /** The busiest minute as it was answered, and for what; it is asked for once a minute. */
  #peak: { readonly key: string; readonly peak: Peak } | undefined
  #readAt = -Infinity
  #tookMs = 0
  #soon: ReturnType<typeof setTimeout> | undefined
  #afterChange: ReturnType<typeof setTimeout> | undefined
  #changes = 0

  constructor(api: Api, id: number, choice: Choice) {
    this.#api = api
    this.#id = id
    this.#choice = choice
    this.#numbers = new Schedule({ work: () => this.#read(), nextMs: () => this.#nextMs() })
    this.#banner = new Schedule({
      work: () => this.#readBanner(),
      nextMs: () => CLOSED_REFRESH_MS,
    })
    this.stream = new LiveStream({ api, bannerId: id, onRows: (rows) => this.#take(rows) })
  }

  readonly failure = computed(() => this.#banner.failure.value ?? this.#numbers.failure.value)

  choose(choice: Choice): void {
    if (isSame(choice, this.#choice)) return
    this.#choice = choice
    this.#numbers.soon()
  }

  /** After a change of the banner that the service has answered. */
  take(banner: Banner): void {
    this.banner.value = banner
    this.#changes += 1
    clearTimeout(this.#afterChange)
    this.#afterChange = setTimeout(() => this.#banner.soon(), SPREAD_MS)
  }

  retry(): void {
    this.stream.retry()
    this.#banner.soon()
    this.#numbers.soon()
  }

  close(): void {
    clearTimeout(this.#soon)
    clearTimeout(this.#afterChange)
    this.#ended.abort()
    this.stream.close()
    this.#numbers.close()
    this.#banner.close()
  }

  #take(rows: readonly LiveRow[]): void {
    for (const { minute, count } of rows) this.#liveCounts.set(minute, count)
    const now = this.#api.now()
    for (const minute of this.#liveCounts.keys()) {
      if (minute < now - LIVE_MINUTES_MS) this.#liveCounts.delete(minute)
    }
    if (!isOpen(this.#choice.period, now)) return
    const delayMs = Math.max(LIVE_REFRESH_MIN_MS, this.#tookMs / LOAD_MAX)
    const sinceMs = performance.now() - this.#readAt
    this.#soon ??= setTimeout(
      () => {
        this.#soon = undefined
        this.#numbers.refresh()
      },
      Math.max(0, delayMs - sinceMs),
    )
  }

  #nextMs(): number {
    const shown = this.shown.peek()
    const isClosed =
      shown !== undefined &&
      !isOpen(this.#choice.period, this.#api.now()) &&
      shown.openFrom === shown.starts.length
    return isClosed ? CLOSED_REFRESH_MS : Math.max(REFRESH_MS, this.#tookMs / LOAD_MAX)
  }

  async #readBanner(): Promise<void> {
    const changes = this.#changes
    const banner = await this.#api.banner(this.#id, this.#ended.signal)
    if (changes === this.#changes) this.banner.value = banner // else it is from before the change
  }

  async #read(): Promise<void> {
    const choice = this.#choice
    const { period, step, tz } = choice
    const startedAt = performance.now()
    this.#readAt = startedAt
    const range = rangeOf(period, tz, await this.#api.time())
    if (isTooFine(step, range)) return // the page says so
    const question = { banners: [this.#id], step, tz }
    // Late clicks may come into what is long over, too.
    const peakKey = JSON.stringify([choice, minuteOf(this.#api.now())])
    const withPeak = canTellPeak(step, range) && this.#peak?.key !== peakKey
    const answer = await this.#api.series({ ...question, ...range, withPeak }, this.#ended.signal)
    const [series] = answer.banners
    if (series === undefined || choice !== this.#choice) return
    if (withPeak) this.#peak = { key: peakKey, peak: series.peak }
    const peak = this.#peakOf(peakKey, answer)
    // What somebody has just chosen is drawn at once, and what was before it when it comes.
    const shown = this.shown.peek()
    if (shown === undefined || !isSame(shown, choice))
      this.#show(choice, answer, { ...series, peak }, undefined)
    const before = await this.#readBefore({ ...choice, ...answer })
    this.#tookMs = performance.now() - startedAt
    if (choice !== this.#choice) return
    this.#show(choice, answer, { ...series, peak }, before)
  }

  #show(
    choice: Choice,
    answer: SeriesAnswer,
    series: BannerSeries,
    before: Before | undefined,
  ): void {
    const { starts, to, completeUntil } = answer
    const now = this.#api.now()
    this.shown.value = {
      ...choice,
      ...answer,
      series,
      before,
      openFrom: firstNot([...starts.slice(1), to], (end) => end <= completeUntil),
      futureFrom: firstNot(starts, (start) => start <= now),
    }
  }

  /** That of the last answer, or a minute that has risen above it since. */
  #peakOf(key: string, { from, to }: Range): Peak {
    if (this.#peak?.key !== key) return undefined
    let { peak } = this.#peak
    for (const [at, count] of [...this.#liveCounts].toSorted(([one], [other]) => one - other)) {
      if (at >= from && at < to && count > (peak?.count ?? 0)) peak = { at, count }
    }
    return peak
  }

  /** Asked for when a minute turns, and when the next one is nearer: it is over, or nearly. */
  async #readBefore(shown: SteppedRange): Promise<Before | undefined> {
    const now = this.#api.now()
    const { period, step, tz, from, to } = shown
    const nearestMinute = Math.round(now / MINUTE_MS)
    const key = JSON.stringify([period, step, tz, from, to, nearestMinute])
    if (this.#before?.key !== key) {
      const question = { bannerId: this.#id, shown, now, signal: this.#ended.signal }
      this.#before = { key, before: await readBefore(this.#api, question) }
    }
    return this.#before.before
  }
}

/** The index of the first for which it does not hold; their number if there is none. They are sorted. */
function firstNot(starts: readonly number[], holds: (start: number) => boolean): number {
  let [low, high] = [0, starts.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(starts[middle] ?? 0)) low = middle + 1
    else high = middle
  }
  return low
}
