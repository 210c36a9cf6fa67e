import { signal, type ReadonlySignal } from '@preact/signals'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { LiveRow } from '../model/live-counts.ts'
import type { Api } from './api.ts'
import { Problem } from './problem.ts'

// States:
//
//   connecting ──the first rows──> open ──the stream ends, or is silent──> broken ──wait──> connecting
//   broken, as there is no such banner ──somebody wants it──> connecting
//   any of them ──the tab is hidden──> connecting, without a stream until it is seen again

const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 5_000
/** Where too many people follow, and whatever else the service answers. */
const REFUSED_RETRY_MAX_MS = 20_000
/** The service sends something at least every 15 s. */
const SILENCE_MAX_MS = 40_000

export type LiveState = 'connecting' | 'open' | 'broken'

export interface LiveOptions {
  readonly api: Api
  /** Only this banner's rows; undefined: those of all. */
  readonly bannerId?: number
  /** Given the rows that changed; after each connecting first those of the last eleven minutes. */
  readonly onRows: (rows: readonly LiveRow[], isFirst: boolean) => void
}

/**
 * Follows `/live` while the tab is seen, and connects again by itself. Read by fetch, as EventSource
 * cannot send a token.
 */
export class LiveStream {
  readonly #options: LiveOptions
  readonly #state = signal<LiveState>('connecting')
  readonly #failure = signal<unknown>(undefined)
  #current: AbortController | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #failures = 0

  constructor(options: LiveOptions) {
    this.#options = options
    document.addEventListener('visibilitychange', this.#follow)
    this.#follow()
  }

  get state(): ReadonlySignal<LiveState> {
    return this.#state
  }

  /** Why it broke; undefined: it ended without a reason. */
  get failure(): ReadonlySignal<unknown> {
    return this.#failure
  }

  /** Somebody wants it now, also of a banner that was not there. */
  retry(): void {
    if (this.#state.peek() === 'broken') this.#follow()
  }

  close(): void {
    document.removeEventListener('visibilitychange', this.#follow)
    this.#close()
  }

  readonly #follow = (): void => {
    this.#close()
    this.#state.value = 'connecting'
    this.#failures = 0
    if (document.hidden) return
    void this.#connect()
  }

  #close(): void {
    clearTimeout(this.#retry)
    this.#current?.abort()
    this.#current = undefined
  }

  async #connect(): Promise<void> {
    const current = new AbortController()
    this.#current = current
    let failure: unknown
    try {
      await this.#read(current)
    } catch (error) {
      failure = error
    }
    if (this.#current !== current) return
    current.abort()
    this.#failure.value = failure // until then the last one is the reason
    this.#state.value = 'broken'
    if (failure instanceof Problem && failure.code === 'banner_not_found') return
    this.#failures += 1
    const maxMs = failure instanceof Problem ? REFUSED_RETRY_MAX_MS : RETRY_MAX_MS
    const delayMs = Math.min(RETRY_MIN_MS * 2 ** (this.#failures - 1), maxMs)
    // Spread: a service that starts anew would be met by all of its readers at once.
    this.#retry = setTimeout(() => void this.#connect(), delayMs * (0.75 + Math.random() / 2))
  }

  /** Until it ends. */
  async #read(current: AbortController): Promise<void> {
    const { api, bannerId, onRows } = this.#options
    const stream = await api.live(bannerId, current.signal)
    let silence = this.#limitSilence(current)
    const alive = (): void => {
      clearTimeout(silence)
      silence = this.#limitSilence(current)
    }
    const events = stream
      .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
      .pipeThrough(new EventSourceParserStream({ onComment: alive }))
    const reader = events.getReader()
    try {
      let isFirst = true
      for (;;) {
        const { done, value } = await reader.read()
        if (done || this.#current !== current) return
        alive()
        if (value.event !== 'counts') continue
        this.#failures = 0
        const rows = (JSON.parse(value.data) as RowBody[]).map(rowOf)
        this.#state.value = 'open'
        onRows(rows, isFirst)
        isFirst = false
      }
    } finally {
      clearTimeout(silence)
    }
  }

  #limitSilence(current: AbortController): ReturnType<typeof setTimeout> {
    return setTimeout(() => current.abort(), SILENCE_MAX_MS)
  }
}

interface RowBody {
  readonly timestamp: string
  readonly bannerID: number
  readonly count: number
}

function rowOf({ timestamp, bannerID, count }: RowBody): LiveRow {
  return { bannerId: bannerID, minute: Date.parse(timestamp), count }
}
