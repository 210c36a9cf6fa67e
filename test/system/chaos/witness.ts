// Reads answers all the time, and holds what they claim against what callers know.
import { setTimeout as pause } from 'node:timers/promises'
import { KEYED_BANNERS, UNKEYED_BANNERS, type Callers } from './callers.ts'

const MINUTE_MS = 60_000
const READ_PAUSE_MS = 100
const ANSWER_TIMEOUT_MS = 30_000
const PROBLEMS_MAX = 20

interface Answer {
  readonly banners: readonly { readonly bannerID: number; readonly total: number }[]
  readonly total: number
  readonly completeUntil: string
  readonly partial: boolean
}

/** What an api said of a minute when it first called its answer whole. */
interface WholeMinute {
  readonly from: number
  readonly total: number
}

export class Witness {
  readonly problems: string[] = []
  readonly #callers: Callers
  readonly #wholeMinutes = new Map<number, WholeMinute>()
  readonly #reading: Promise<unknown>
  #answers = 0
  #lagMs: number[] = []
  #isOver = false

  constructor(origins: readonly string[], callers: Callers) {
    this.#callers = callers
    this.#reading = Promise.all(origins.map((origin) => this.#read(origin)))
  }

  /** How many were held against what callers know. */
  get answers(): number {
    return this.#answers
  }

  /** By how much the answers' completeUntil was behind the time of asking. */
  get lagMs(): readonly number[] {
    return this.#lagMs
  }

  get wholeMinutes(): readonly WholeMinute[] {
    return [...this.#wholeMinutes.values()]
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#reading
  }

  async #read(origin: string): Promise<void> {
    let last = 0
    for (let turn = 0; !this.#isOver; turn += 1) {
      const askedAt = Date.now()
      const answer = await totals(origin, { from: 0, to: Date.UTC(2100) })
      if (answer !== undefined) {
        const completeUntil = Date.parse(answer.completeUntil)
        this.#lagMs.push(askedAt - completeUntil)
        if (completeUntil < last) {
          this.#tell(`completeUntil of ${origin} went back from ${last} to ${completeUntil}`)
        }
        last = completeUntil
        this.#compare(origin, answer, completeUntil)
      }
      if (turn % 10 === 0) await this.#readMinutes(origin)
      await pause(READ_PAUSE_MS)
    }
  }

  /** Banner by banner: what is short of one must not hide behind unacknowledged clicks of others. */
  #compare(origin: string, { banners }: Answer, completeUntil: number): void {
    this.#answers += 1
    const counted = new Map(banners.map(({ bannerID, total }) => [bannerID, total]))
    for (const id of [...UNKEYED_BANNERS, ...KEYED_BANNERS]) {
      const acknowledged = this.#callers.record(id).acknowledged.before(completeUntil)
      const total = counted.get(id) ?? 0
      if (total < acknowledged) {
        const claim = `${origin}, complete until ${completeUntil}`
        this.#tell(`${claim}: banner ${id} has ${total} of ${acknowledged} clicks`)
      }
    }
  }

  async #readMinutes(origin: string): Promise<void> {
    const now = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS
    for (const from of [now - 2 * MINUTE_MS, now - MINUTE_MS]) {
      if (this.#wholeMinutes.has(from)) continue
      const answer = await totals(origin, { from, to: from + MINUTE_MS })
      if (answer?.partial === false) this.#wholeMinutes.set(from, { from, total: answer.total })
    }
  }

  #tell(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem)
  }
}

/** The totals of all banners; undefined while they cannot be read. */
export async function totals(
  origin: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Answer | undefined> {
  try {
    const answer = await fetch(`${origin}/stats?tsFrom=${from}&tsTo=${to}`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    if (answer.ok) return (await answer.json()) as Answer // GET /stats of the contract
    await answer.body?.cancel()
  } catch {
    // The api, or its database, is away.
  }
  return undefined
}
