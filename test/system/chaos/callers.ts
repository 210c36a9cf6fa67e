// Clicks at a steady rate, to all apis: half with a key, which are sent again until they are
// acknowledged, also to another api; half without, which are sent once.
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { Ledger, Silence } from './ledger.ts'

const TICK_MS = 10
/** Callers that wait for one api: with more, those that come go away. */
const WAITING_MAX = 1_000
const CONNECTIONS = 256
const RESEND_PAUSE_MS = 200
/** Callers turn to others for so long when nobody listens: refused connections cost us more than answers. */
const AWAY_MS = 100
/** No answer takes so long: ACK_TIMEOUT_MS is 5 s. */
const ANSWER_TIMEOUT_MS = 30_000
/** So many keys are sent to two apis at the same time. */
const TWICE_SHARE = 0.02

export const UNKEYED_BANNERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
export const KEYED_BANNERS = [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]

/** What callers know of the clicks of one banner. */
export interface BannerRecord {
  /** Of clicks without key, or of keys: once each. */
  readonly acknowledged: Ledger
  /** Without key: sent, and not known whether they count. */
  inDoubt: number
}

export interface CallersOptions {
  readonly origins: readonly string[]
  readonly perSecond: number
  readonly random: () => number
}

export class Callers {
  readonly banners = new Map<number, BannerRecord>()
  /** When each key was acknowledged, by its number. */
  readonly keys: number[] = []
  /** Answers other than 200, by status and code, and what became of requests without one. */
  readonly refused = new Map<string, number>()
  readonly silence = new Silence()
  readonly #options: CallersOptions
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  readonly #ticking: NodeJS.Timeout
  /** Callers that wait for an answer, by api. */
  readonly #waiting: number[]
  /** Until when nobody is sent to an api, by api. */
  readonly #awayUntil: number[]
  #unacknowledged = 0
  #sent = 0
  #last = performance.now()
  #due = 0

  constructor(options: CallersOptions) {
    this.#options = options
    this.#waiting = options.origins.map(() => 0)
    this.#awayUntil = options.origins.map(() => 0)
    for (const id of [...UNKEYED_BANNERS, ...KEYED_BANNERS]) {
      this.banners.set(id, { acknowledged: new Ledger(), inDoubt: 0 })
    }
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
  }

  record(bannerId: number): BannerRecord {
    const record = this.banners.get(bannerId)
    if (record === undefined) throw new Error(`nobody clicked banner ${bannerId}`)
    return record
  }

  sum(ids: readonly number[], of: (record: BannerRecord) => number): number {
    return ids.reduce((sum, id) => sum + of(this.record(id)), 0)
  }

  /** So many clicks were answered other than 200, and so many not at all. */
  failures(): { readonly refused: number; readonly unanswered: number } {
    const { unanswered = 0, 'not sent': _, ...others } = Object.fromEntries(this.refused)
    return { refused: Object.values(others).reduce((sum, count) => sum + count, 0), unanswered }
  }

  #tick(): void {
    const now = performance.now()
    this.#due += ((now - this.#last) / 1_000) * this.#options.perSecond
    this.#last = now
    for (; this.#due >= 1; this.#due -= 1) this.#click()
  }

  #click(): void {
    const { origins, random } = this.#options
    const first = Math.floor(random() * origins.length)
    const api = this.#isAway(first) ? (first + 1) % origins.length : first
    if (this.#isAway(api) || (this.#waiting[api] ?? 0) >= WAITING_MAX) return
    this.#sent += 1
    if (this.#sent % 2 === 0) return void this.#sendOnce(api)
    const number = this.keys.push(NaN) - 1
    this.#unacknowledged += 1
    void this.#sendUntilAcknowledged(number, api)
    if (random() < TWICE_SHARE) void this.#sendUntilAcknowledged(number, api + 1)
  }

  async #sendOnce(api: number): Promise<void> {
    const banner = UNKEYED_BANNERS[this.#sent % UNKEYED_BANNERS.length] ?? 1
    const record = this.record(banner)
    const answer = await this.#post(api, banner)
    if (answer === 'accepted') record.acknowledged.add(this.#heard())
    else if (answer !== 'not sent' && answer !== 'overloaded') record.inDoubt += 1
  }

  async #sendUntilAcknowledged(number: number, firstApi: number): Promise<void> {
    const banner = bannerOfKey(number)
    for (let api = firstApi; Number.isNaN(this.keys[number]); api += 1) {
      const answer = await this.#post(api, banner, keyOf(number))
      if (answer !== 'accepted') {
        await pause(RESEND_PAUSE_MS)
        continue
      }
      const at = this.#heard()
      if (!Number.isNaN(this.keys[number])) return // the other of two was first
      this.keys[number] = at
      this.#unacknowledged -= 1
      this.record(banner).acknowledged.add(at)
    }
  }

  #heard(): number {
    const now = Date.now()
    this.silence.heard(now)
    return now
  }

  async #post(turn: number, banner: number, key?: string): Promise<string> {
    const { origins } = this.#options
    const api = turn % origins.length
    this.#wait(api, 1)
    const answer = await post(`${origins[api]}/counter/${banner}`, this.#agent, key)
    this.#wait(api, -1)
    if (answer === 'not sent') this.#awayUntil[api] = performance.now() + AWAY_MS
    if (answer !== 'accepted') this.refused.set(answer, (this.refused.get(answer) ?? 0) + 1)
    return answer
  }

  #isAway(api: number): boolean {
    return performance.now() < (this.#awayUntil[api] ?? 0)
  }

  #wait(api: number, callers: number): void {
    this.#waiting[api] = (this.#waiting[api] ?? 0) + callers
  }

  /** Sends nothing new, and waits until all keys are acknowledged. */
  async finish(timeoutMs: number): Promise<void> {
    clearInterval(this.#ticking)
    const deadline = performance.now() + timeoutMs
    while (this.#unacknowledged > 0 || this.#waiting.some((callers) => callers > 0)) {
      if (performance.now() > deadline) {
        throw new Error(`${this.#unacknowledged} keys are never acknowledged`)
      }
      await pause(RESEND_PAUSE_MS)
    }
    this.#agent.destroy()
  }

  /** Without waiting for anything. */
  [Symbol.dispose](): void {
    clearInterval(this.#ticking)
    this.keys.fill(0) // nobody goes on sending
    this.#agent.destroy()
  }
}

function keyOf(number: number): string {
  return `key-${number}`
}

export function bannerOfKey(number: number): number {
  return KEYED_BANNERS[number % KEYED_BANNERS.length] ?? 0
}

/** `accepted`, the code of a refusal, or how far a request without an answer came. */
function post(url: string, agent: Agent, key?: string): Promise<string> {
  return new Promise((resolve) => {
    const headers = key === undefined ? {} : { 'idempotency-key': key }
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      const status = answer.statusCode ?? 0
      // The status line is the acknowledgement; a body cut off after it changes nothing.
      if (status === 200) {
        answer.resume()
        return resolve('accepted')
      }
      let body = ''
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()))
      answer.on('close', () => resolve(/"code":"(\w+)"/.exec(body)?.[1] ?? `status ${status}`))
    })
    sent.setTimeout(ANSWER_TIMEOUT_MS, () => sent.destroy())
    sent.on('error', (error) => {
      const isRefused = 'code' in error && error.code === 'ECONNREFUSED'
      resolve(isRefused ? 'not sent' : 'unanswered')
    })
    sent.end()
  })
}
