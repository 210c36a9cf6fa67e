import { BANNER_STATUSES, type BannerStatus } from '../banner.ts'
import { AppError } from '../errors.ts'
import type { BannerStore } from './banner-store.ts'

const UNKNOWN_FOR_MS = 1_000
/** How many ids at most are remembered as unknown, and looked up at once. */
const UNKNOWN_MAX = 10_000
const LOOK_UPS_MAX = 1_000

/**
 * The banners that this process knows: whether a click counts is decided here, without asking the
 * store. Memory may say that a banner exists (ids never vanish); that one does not is only said
 * after a look-up, and believed for a second, so that a flood of wrong ids does not reach the store.
 */
export class BannerRegistry {
  readonly #store: Pick<BannerStore, 'changesSince' | 'find'>
  readonly #statuses = new Map<number, BannerStatus>()
  readonly #unknownUntil = new Map<number, number>()
  readonly #lookUps = new Map<number, Promise<BannerStatus | undefined>>()
  readonly #lookUpTimeoutMs: number
  #version: number | undefined

  /** `lookUpTimeoutMs`: how long a click may wait until its banner is known. */
  constructor(store: Pick<BannerStore, 'changesSince' | 'find'>, lookUpTimeoutMs: number) {
    this.#store = store
    this.#lookUpTimeoutMs = lookUpTimeoutMs
  }

  /** Learns what has changed since the last time; the first time, everything. Whoever changes a banner calls it, too. */
  async refresh(): Promise<void> {
    const since = this.#version ?? 0
    let changes = await this.#store.changesSince(since)
    // The registry went back, as after a failover that lost transactions: its changes since then have
    // versions that were taken for known.
    const wentBack = changes.version < since
    if (wentBack) changes = await this.#store.changesSince(0)
    // Two refreshes may be under way, and the later answer need not be the newer one.
    else if (changes.version < (this.#version ?? 0)) return
    for (const status of BANNER_STATUSES) {
      for (const id of changes.ids[status]) this.#statuses.set(id, status)
    }
    this.#version = changes.version
  }

  get isLoaded(): boolean {
    return this.#version !== undefined
  }

  /** Whether a banner was ever registered, as far as memory knows: false may be wrong. */
  knows(id: number): boolean {
    return this.#statuses.has(id)
  }

  /** How many banners were ever registered, as far as memory knows. */
  get size(): number {
    return this.#statuses.size
  }

  /** As far as memory knows. */
  isActive(id: number): boolean {
    return this.#statuses.get(id) === 'active'
  }

  /**
   * Throws `store_unavailable`. Whoever asks the store calls it first, when everything else is checked: a store
   * that is away at the start has no tables yet, maybe, and no banners of the first start.
   */
  checkLoaded(): void {
    if (this.isLoaded) return
    throw new AppError('store_unavailable', 'The banners are not loaded yet; see Retry-After.')
  }

  /** The banner's status, undefined if it was proven not to exist. Throws `store_unavailable`. */
  statusOf(id: number): BannerStatus | undefined | Promise<BannerStatus | undefined> {
    this.checkLoaded()
    const status = this.#statuses.get(id)
    if (status !== undefined) return status
    const until = this.#unknownUntil.get(id)
    if (until !== undefined && performance.now() < until) return undefined
    return this.#inTime(this.#lookUps.get(id) ?? this.#lookUp(id))
  }

  /** The store has a time-out of its own, which is longer: reports may wait, callers of clicks do not. */
  async #inTime<T>(lookUp: Promise<T>): Promise<T> {
    const { promise: isOver, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => {
      reject(new AppError('store_unavailable', 'The banner could not be looked up in time.'))
    }, this.#lookUpTimeoutMs)
    try {
      return await Promise.race([lookUp, isOver])
    } finally {
      clearTimeout(timer)
    }
  }

  #lookUp(id: number): Promise<BannerStatus | undefined> {
    if (this.#lookUps.size >= LOOK_UPS_MAX) {
      throw new AppError('store_unavailable', 'Too many unknown banners are being looked up.')
    }
    const lookUp = this.#ask(id).finally(() => this.#lookUps.delete(id))
    this.#lookUps.set(id, lookUp)
    return lookUp
  }

  async #ask(id: number): Promise<BannerStatus | undefined> {
    const banner = await this.#store.find(id)
    if (banner === undefined) this.#rememberUnknown(id)
    // A refresh may have come in between; if it is the older one, the next is newer.
    else if (!this.#statuses.has(id)) this.#statuses.set(id, banner.status)
    return this.#statuses.get(id)
  }

  #rememberUnknown(id: number): void {
    this.#unknownUntil.delete(id) // a Map is in order of insertion: the oldest is the first
    const [oldest] = this.#unknownUntil.keys()
    if (this.#unknownUntil.size >= UNKNOWN_MAX && oldest !== undefined) {
      this.#unknownUntil.delete(oldest)
    }
    this.#unknownUntil.set(id, performance.now() + UNKNOWN_FOR_MS)
  }
}
