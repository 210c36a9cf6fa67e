import { randomUUID } from 'node:crypto'
import { isUnavailable, OperatorError } from '../../errors.ts'
import { sleep } from '../../lib/background.ts'
import type { Batch, ClickSource, Outcome } from '../click-log.ts'
import { cut, type Piece, type Refused } from './cut.ts'
import { isOutOfRange } from './failure.ts'
import { lostRecords, missing, openTopic } from './open-topic.ts'
import type { Leases, Mark, PartitionStore } from './partition-store.ts'
import type { Fetched, PartitionReader } from './reader.ts'
import { Ticker } from './ticker.ts'
import type { Description, Topic } from './topic.ts'

// A partition's states, for this process:
//
//   free or another's ──lease──> owned at the stored position ──counted──> owned at the next position
//                                   ^                              │
//                                   └── asked for anew ── in doubt, superseded, lease over
//
// What this process believes is never what decides: each batch moves the stored position from where it
// begins, or counts nothing.

const TIMES = {
  leaseMs: 1_500,
  renewalMs: 200,
  /** From one fetch to the next: makes batches of what comes meanwhile. */
  paceMs: 25,
  idleMs: 100,
  retryMinMs: 50,
  retryMaxMs: 500,
} as const
const HINT_INTERVAL_MS = 5_000
/** How long a stop may take to count what is left, if nobody else is there to. */
const DRAIN_MS = 2_000

export interface KafkaSourceOptions {
  readonly topic: Topic
  readonly reader: Pick<PartitionReader, 'fetch'>
  readonly store: PartitionStore
  /** This process, a UUID. */
  readonly member: string
  /** Whether a banner was ever registered, as far as this process knows. */
  readonly isKnown: (bannerId: number) => boolean
  /** How many records one transaction may count: bounds its duration. */
  readonly batchMax: number
  /** Counts only every so many milliseconds of the shared clock; undefined: at once. */
  readonly tickMs?: number | undefined
  /** Told each time why nothing can be counted, or undefined: it can. */
  readonly observe: (trouble: string | undefined) => void
  /** Shorter in tests. */
  readonly times?: { readonly [T in keyof typeof TIMES]: number }
}

/**
 * Reads the partitions that the store leases to this process, and yields their records as batches: each
 * begins at the stored position. There are as many processes as one likes; leases only keep them
 * from doing the same work.
 *
 * Everything acknowledged before an instant lies below the end that a partition has after it. So an
 * instant is taken from the store's clock, then the ends are read: once a position reaches its end, the
 * partition is complete until that instant.
 */
export class KafkaSource implements ClickSource {
  readonly #options: KafkaSourceOptions
  readonly #ticker: Ticker
  readonly #times: NonNullable<KafkaSourceOptions['times']>
  /** Positions of the partitions that are leased, by number, in the order in which they are read. */
  readonly #next = new Map<number, bigint>()
  readonly #marks = new Map<number, Mark>()
  /** How many records of a partition are tried at once, after the store rejected some. */
  readonly #limits = new Map<number, number>()
  /** The record that it rejected on its own, by partition. */
  readonly #refused = new Map<number, Refused>()
  #leases: Leases | undefined
  #topic: Description | undefined
  #renewAt = 0
  #hintAt = 0

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#ticker = new Ticker(options.tickMs)
    this.#times = options.times ?? TIMES
  }

  /** Partitions that this process counts, and how many of their records are known to wait. */
  state(): { readonly partitions: number; readonly waiting: number } {
    let waiting = 0n
    for (const [number, next] of this.#next) {
      const end = this.#marks.get(number)?.end ?? next
      if (end > next) waiting += end - next
    }
    return { partitions: this.#next.size, waiting: Number(waiting) }
  }

  async *batches(signal: AbortSignal): AsyncGenerator<Batch> {
    let failures = 0
    while (!signal.aborted) {
      try {
        yield* this.#round(signal)
        failures = 0
        this.#options.observe(undefined)
      } catch (error) {
        if (!isUnavailable(error)) throw error
        this.#askAnew()
        if (!signal.aborted) this.#options.observe(error.message)
        failures += 1
        const { retryMinMs, retryMaxMs } = this.#times
        await sleep(Math.min(retryMinMs * 2 ** failures, retryMaxMs), signal)
      }
    }
    yield* this.#leave()
  }

  /** Renews the leases if it is time, and reads once. */
  async *#round(signal: AbortSignal): AsyncGenerator<Batch> {
    const startedAt = performance.now()
    if (startedAt >= this.#renewAt) await this.#renew()
    const wanted = this.#ticker.wanted(this.#next)
    if (wanted.size === 0) return sleep(this.#times.idleMs, signal)
    yield* this.#read(wanted)
    this.#hint()
    await sleep(Math.max(0, this.#times.paceMs - (performance.now() - startedAt)), signal)
  }

  async #renew(): Promise<void> {
    const { topic, store, member } = this.#options
    if (this.#topic === undefined) await openTopic(topic, store)
    const reached = [...this.#marks.values()].filter(
      ({ number, end }) => (this.#next.get(number) ?? -1n) >= end,
    )
    const leases = await store.renewLeases(topic.name, member, this.#times.leaseMs, reached)
    this.#renewAt = performance.now() + this.#times.renewalMs
    for (const { number } of reached) this.#marks.delete(number)
    this.#take(leases)
    await this.#mark(leases)
  }

  #take(leases: Leases): void {
    this.#leases = leases
    const owned = new Map(leases.owned.map(({ number, next }) => [number, next]))
    for (const number of this.#next.keys()) if (!owned.has(number)) this.#forget(number)
    for (const [number, next] of owned) this.#next.set(number, next)
  }

  #forget(number: number): void {
    this.#next.delete(number)
    this.#marks.delete(number)
    this.#limits.delete(number)
    this.#refused.delete(number)
  }

  /** The instant is older than the ends; the topic is looked at after them, to be the same. */
  async #mark({ instant, partitions }: Leases): Promise<void> {
    const { topic, store } = this.#options
    const ends = await topic.ends()
    const found = await topic.describe()
    if (found === undefined) throw missing(topic, await store.readPartitions(topic.name))
    const isSame = this.#topic === undefined || this.#topic.id === found.id
    if (!isSame || found.leaders.length > partitions) await openTopic(topic, store)
    this.#topic = found
    const isTick = this.#ticker.observe(instant, ends)
    for (const number of this.#next.keys()) {
      const end = ends[number]
      if (end === undefined || (this.#marks.has(number) && !isTick)) continue
      this.#marks.set(number, { number, end, instant })
    }
  }

  async *#read(wanted: ReadonlyMap<number, bigint>): AsyncGenerator<Batch> {
    for (const { number, batches } of await this.#fetch(wanted)) {
      const from = this.#next.get(number)
      if (from === undefined || wanted.get(number) !== from) continue
      const { batchMax, isKnown } = this.#options
      const max = this.#limits.get(number) ?? batchMax
      const refused = this.#refused.get(number)
      for (const piece of cut(batches, { from, max, isKnown, refused })) {
        const outcomes: Outcome[] = []
        yield this.#batchOf(number, piece, (outcome) => outcomes.push(outcome))
        if (!this.#settle(number, piece, outcomes[0])) break
      }
    }
  }

  /** What leaders have, each asked at the same time; those that fail do not keep the others back. */
  async #fetch(wanted: ReadonlyMap<number, bigint>): Promise<readonly Fetched[]> {
    const { reader } = this.#options
    const { id, leaders } = this.#topic ?? { id: '', leaders: [] }
    const byLeader = Map.groupBy(wanted, ([number]) => leaders[number] ?? -1)
    const answers = await Promise.allSettled(
      Array.from(byLeader, ([leader, some]) => reader.fetch(leader, id, new Map(some))),
    )
    const failed = answers.find((answer) => answer.status === 'rejected')
    const fetched = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (failed === undefined) return fetched
    if (isOutOfRange(failed.reason)) await this.#checkRange()
    this.#renewAt = 0 // leaders may have moved
    if (fetched.length === 0) throw failed.reason
    return fetched
  }

  /** Throws if the log no longer has what is to be counted next. */
  async #checkRange(): Promise<void> {
    const { topic, store } = this.#options
    const stored = await store.readPartitions(topic.name)
    const lost = lostRecords(topic.name, stored, await topic.starts(), await topic.ends())
    if (lost !== undefined) throw new OperatorError(lost, { exitCode: 3 })
  }

  #batchOf(number: number, { clicks, suspects, to }: Piece, settle: Batch['settle']): Batch {
    const from = this.#next.get(number) ?? 0n
    const mark = this.#marks.get(number)
    const source = `${this.#options.topic.name}/${number}`
    const span = { source, from, to, batchId: randomUUID() }
    const isReached = mark !== undefined && to >= mark.end
    return {
      span: isReached ? { ...span, completeUntil: mark.instant } : span,
      clicks,
      suspects,
      settle,
    }
  }

  /** Whether to go on with the partition. */
  #settle(number: number, { clicks, suspects, to }: Piece, outcome: Outcome | undefined): boolean {
    const mark = this.#marks.get(number)
    switch (outcome?.kind) {
      case 'counted':
        this.#next.delete(number) // to be read after the others
        this.#next.set(number, to)
        if (mark !== undefined && to >= mark.end) this.#marks.delete(number)
        this.#limits.delete(number)
        this.#refused.delete(number)
        return true
      case 'rejected': {
        const tried = clicks.length + suspects.length
        // Down to the one that is at fault, which the store then keeps as a dead letter.
        if (tried === 1 && this.#refused.has(number)) throw outcome.cause
        if (tried === 1) this.#refused.set(number, { position: to - 1n, cause: outcome.cause })
        this.#limits.set(number, Math.ceil(tried / 2))
        return false
      }
      default:
        this.#forget(number)
        this.#renewAt = 0
        return false
    }
  }

  /** After a failure: nothing is believed that the store has not said again. */
  #askAnew(): void {
    this.#next.clear()
    this.#marks.clear()
    this.#renewAt = 0
  }

  #hint(): void {
    if (performance.now() < this.#hintAt) return
    this.#hintAt = performance.now() + HINT_INTERVAL_MS
    const positions = Array.from(this.#next, ([number, next]) => ({ number, next }))
    if (positions.length > 0) this.#options.topic.hint(positions).catch(() => {})
  }

  /** Hands over at once; but if nobody is there to take over, counts what is there first. */
  async *#leave(): AsyncGenerator<Batch> {
    const { store, member } = this.#options
    try {
      if (this.#leases?.members === 1) yield* this.#drain()
      await store.releaseLeases(member)
    } catch (error) {
      // The leases end by themselves.
      if (!isUnavailable(error)) throw error
    }
  }

  async *#drain(): AsyncGenerator<Batch> {
    const until = performance.now() + DRAIN_MS
    this.#marks.clear()
    await this.#renew()
    for (;;) {
      const behind = [...this.#marks.values()].filter(
        ({ number, end }) => (this.#next.get(number) ?? end) < end,
      )
      if (behind.length === 0 || performance.now() > until) break
      yield* this.#read(new Map(behind.map(({ number }) => [number, this.#next.get(number) ?? 0n])))
    }
    await this.#renew() // stores the marks that are reached
  }
}
