import { Problem, Unreachable } from './problem.ts'
import type { TokenKind, Tokens } from './tokens.ts'

const TIMEOUT_MS = 30_000
const CLOCK_TIMEOUT_MS = 3_000
const BANNERS_A_PAGE = 1_000
/** The header Date has whole seconds: a smaller difference of the clocks is none. */
const CLOCK_PRECISION_MS = 2_000

type BannerStatus = 'active' | 'paused' | 'archived'

export interface Banner {
  readonly id: number
  readonly name: string
  readonly url: string | null
  readonly status: BannerStatus
}

export type BannerChange = Partial<Omit<Banner, 'id'>>
export type NewBanner = BannerChange & { readonly id?: number }

export const STEPS = ['minute', 'hour', 'day', 'week', 'month'] as const
export type Step = (typeof STEPS)[number]

/** Instants are Unix milliseconds. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface Completeness {
  /** Every click that was accepted before this instant is in the answer. */
  readonly completeUntil: number
  /** How much earlier that is than the instant of the answer, by the service's clock. */
  readonly lagMs: number
}

export interface Totals extends Completeness {
  /** Of all banners, listed or not. */
  readonly total: number
  readonly banners: ReadonlyMap<number, number>
}

export interface BannerSeries {
  readonly bannerId: number
  readonly name: string
  readonly total: number
  /** One for each step. */
  readonly counts: readonly number[]
  /** The minute with the most clicks, of those that are kept; null: there are none. */
  readonly peak: { readonly at: number; readonly count: number } | null | undefined
}

export interface SeriesAnswer extends Completeness, Range {
  /** First instants of the steps. */
  readonly starts: readonly number[]
  readonly banners: readonly BannerSeries[]
  /** Where some of the range is before it: minutes before it are gone. */
  readonly minutesFrom: number | undefined
}

export interface SeriesQuestion extends Range {
  readonly banners: readonly number[]
  readonly step: Step
  readonly tz: string
  readonly withPeak?: boolean
}

interface RequestOptions {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** What it needs where the service asks for tokens; undefined: nothing. */
  readonly access?: TokenKind
  /** Ends the request; it then throws that signal's reason. */
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  /** Its body comes for as long as it likes: the time limit is for the beginning alone. */
  readonly isStream?: boolean
}

/**
 * The service. Paths are relative to the page, so that it may stand below any path. Calls throw
 * `Problem`, `Unreachable`, or the reason of a signal that was aborted.
 */
export class Api {
  readonly #tokens: Tokens
  #aheadMs = 0

  readonly #clock: Promise<unknown>

  constructor(tokens: Tokens) {
    this.#tokens = tokens
    this.#clock = this.request('healthz', { method: 'HEAD', timeoutMs: CLOCK_TIMEOUT_MS }).catch(
      () => {}, // the next answer tells it as well
    )
  }

  /** The service's time, Unix milliseconds, once it is known. */
  async time(): Promise<number> {
    await this.#clock
    return this.now()
  }

  /** The service's time, as far as it is known: the clock of this device may be wrong by hours. */
  now(): number {
    return Date.now() + this.#aheadMs
  }

  /** Every banner, archived ones too, by id; `observe` is told of those so far, after each page. */
  async banners(
    observe: (banners: readonly Banner[]) => void,
    signal?: AbortSignal,
  ): Promise<readonly Banner[]> {
    let all: readonly Banner[] = []
    let after: number | undefined = 0
    while (after !== undefined) {
      const path: string = `banners?archived=true&limit=${BANNERS_A_PAGE}&after=${after}`
      const { body: page }: Answer<BannersBody> = await this.#ask(path, signal)
      all = [...all, ...page.banners]
      after = page.next
      observe(all)
    }
    return all
  }

  async banner(id: number, signal?: AbortSignal): Promise<Banner> {
    return (await this.#ask<Banner>(`banners/${id}`, signal)).body
  }

  async addBanner(banner: NewBanner): Promise<Banner> {
    return await this.#change('banners', 'POST', banner)
  }

  async changeBanner(id: number, change: BannerChange): Promise<Banner> {
    return await this.#change(`banners/${id}`, 'PATCH', change)
  }

  /** The totals of all banners, or of the `top` ones with the most clicks. */
  async totals({ from, to }: Range, top?: number, signal?: AbortSignal): Promise<Totals> {
    const query = new URLSearchParams({ tsFrom: String(from), tsTo: String(to) })
    if (top !== undefined) query.set('top', String(top))
    const { body, answeredAt } = await this.#ask<TotalsBody>(`stats?${query}`, signal)
    return {
      total: body.total,
      banners: new Map(body.banners.map(({ bannerID, total }) => [bannerID, total])),
      ...completeness(body, answeredAt),
    }
  }

  async series(question: SeriesQuestion, signal?: AbortSignal): Promise<SeriesAnswer> {
    const { banners, from, to, step, tz, withPeak = false } = question
    const query = new URLSearchParams({
      banners: banners.join(','),
      tsFrom: String(from),
      tsTo: String(to),
      step,
      tz,
      ...(withPeak && { peak: 'true' }),
    })
    const { body, answeredAt } = await this.#ask<SeriesBody>(`series?${query}`, signal)
    return {
      from: Date.parse(body.tsFrom),
      to: Date.parse(body.tsTo),
      starts: body.timestamps.map((timestamp) => Date.parse(timestamp)),
      banners: body.banners.map(({ bannerID, name, total, counts, peak }) => ({
        bannerId: bannerID,
        name,
        total,
        counts,
        peak: peak && { at: Date.parse(peak.timestamp), count: peak.count },
      })),
      minutesFrom: body.minutesFrom === undefined ? undefined : Date.parse(body.minutesFrom),
      ...completeness(body, answeredAt),
    }
  }

  /** Counts a click, which is acknowledged when this resolves. */
  async count(bannerId: number): Promise<void> {
    // The key makes it one click however often a proxy repeats the request.
    const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), String).join('-')
    await this.request(`counter/${bannerId}`, {
      method: 'POST',
      headers: { 'idempotency-key': key },
    })
  }

  /** The stream of `/live`, once it has begun. It has no end. */
  async live(
    bannerId: number | undefined,
    signal: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>> {
    const path = bannerId === undefined ? 'live' : `live?banner=${bannerId}`
    const { body } = await this.request(path, { access: 'read', signal, isStream: true })
    if (body === null) throw new Unreachable()
    return body
  }

  /** The answer to a request that succeeded. Asks for a token if one is missing. */
  async request(path: string, options: RequestOptions = {}): Promise<Response> {
    const { access } = options
    for (;;) {
      const token = access && this.#tokens.for(access)
      const response = await this.#send(path, options, token)
      if (response.ok) return response
      const problem = await Problem.of(response)
      const isRefused = problem.code === 'unauthorized' || problem.code === 'forbidden'
      if (!isRefused || access === undefined) throw problem
      if (this.#tokens.for(access) !== token) continue // another one was given meanwhile
      if (!(await this.#tokens.ask(access, access === 'admin'))) throw problem
    }
  }

  async #send(path: string, options: RequestOptions, token: string | undefined): Promise<Response> {
    const { method = 'GET', body, headers, signal, timeoutMs = TIMEOUT_MS, isStream } = options
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), timeoutMs)
    const init = {
      method,
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.any([limit.signal, ...(signal ? [signal] : [])]),
      cache: 'no-store',
    } satisfies RequestInit
    try {
      const response = await fetch(path, init)
      this.#setClock(response)
      if (isStream === true) clearTimeout(timer)
      return response
    } catch (error) {
      signal?.throwIfAborted()
      throw new Unreachable(undefined, { cause: error })
    }
  }

  async #ask<T>(path: string, signal: AbortSignal | undefined): Promise<Answer<T>> {
    const response = await this.request(path, { access: 'read', ...(signal && { signal }) })
    return { body: await bodyOf<T>(response), answeredAt: dateOf(response) ?? this.now() }
  }

  async #change<T>(path: string, method: string, body: unknown): Promise<T> {
    return await bodyOf<T>(await this.request(path, { method, body, access: 'admin' }))
  }

  #setClock(response: Response): void {
    const date = dateOf(response)
    if (date === undefined) return
    const aheadMs = date - Date.now()
    if (Math.abs(aheadMs - this.#aheadMs) > CLOCK_PRECISION_MS) this.#aheadMs = aheadMs
  }
}

interface Answer<T> {
  readonly body: T
  /** By the service's clock, in whole seconds. */
  readonly answeredAt: number
}

function completeness(
  { completeUntil }: { readonly completeUntil: string },
  answeredAt: number,
): Completeness {
  const until = Date.parse(completeUntil)
  return { completeUntil: until, lagMs: Math.max(0, answeredAt - until) }
}

function dateOf(response: Response): number | undefined {
  const date = Date.parse(response.headers.get('date') ?? '')
  return Number.isNaN(date) ? undefined : date
}

/** What the service promises in docs/openapi.json, which its own tests hold it to. */
async function bodyOf<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T
  } catch (error) {
    throw new Unreachable(undefined, { cause: error }) // it broke off
  }
}

interface BannersBody {
  readonly banners: readonly Banner[]
  readonly next?: number
}

interface TotalsBody {
  readonly total: number
  readonly banners: readonly { readonly bannerID: number; readonly total: number }[]
  readonly completeUntil: string
}

interface SeriesBody {
  readonly tsFrom: string
  readonly tsTo: string
  readonly timestamps: readonly string[]
  readonly banners: readonly {
    readonly bannerID: number
    readonly name: string
    readonly total: number
    readonly counts: readonly number[]
    readonly peak?: { readonly timestamp: string; readonly count: number } | null
  }[]
  readonly completeUntil: string
  readonly minutesFrom?: string
}
