import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { isUnavailable, type AppError } from '../../errors.ts'
import { sleep } from '../../lib/background.ts'
import type { Batch, ClickSource, Outcome, Span } from '../click-log.ts'
import { cut, type Piece, type Refused } from './cut.ts'
import { isOutOfRange, LogAway } from './failure.ts'
import { knownPartition, type KnownPartition } from './known-partition.ts'
import { checkRecords, missing, openTopic, VERDICT_PAUSE_MS } from './open-topic.ts'
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
  hintMs: 5_000,
  /** From one fetch to the next: makes batches of what comes meanwhile. */
  paceMs: 25,
  idleMs: 100,
  retryMinMs: 50,
  retryMaxMs: 500,
  verdictPauseMs: VERDICT_PAUSE_MS,
} as const
/** How long a stop may take to count what is left, if nobody else is there to. */
const DRAIN_MS = 2_000

/** In milliseconds. */
export type Times = { readonly [T in keyof typeof TIMES]: number }

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
  /** Told each time why nothing can be counted, or undefined: it can. While the store is away it is not of the log. */
  readonly observe: (trouble: string | undefined, isOfLog: boolean) => void
  /** Shorter in tests. */
  readonly times?: Partial<Times> | undefined
}

/** What one leader has answered, and what it was asked for: offsets by partition. */
interface Answer {
  readonly leader: number
  readonly asked: ReadonlyMap<number, bigint>
  readonly fetched: readonly Fetched[]
  readonly failure?: AppError
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
  readonly #times: Times
  /** Positions of the partitions that are leased, by number, in the order in which they are read. */
  readonly #next = new Map<number, bigint>()
  readonly #marks = new Map<number, Mark>()
  /** How many records of a partition are tried at once, after the store rejected some. */
  readonly #limits = new Map<number, number>()
  /** The record that it rejected on its own, by partition. */
  readonly #refused = new Map<number, Refused>()
  #leases: Leases | undefined
  #topic: Description | undefined
  /** Where the partitions ended when they were last looked at, by number. */
  #ends: readonly bigint[] = []
  /** Where those that this process counts go on, also while nothing is believed: for whoever watches. */
  readonly #known = new Map<number, bigint>()
  #marking: Promise<unknown> | undefined
  #failure: unknown
  /** By leader: the fetch that is under way, and why the last one failed. */
  readonly #asked = new Map<number, Promise<Answer>>()
  readonly #silent = new Map<number, string>()
  #renewAt = 0
  #hintAt = 0

  constructor(options: KafkaSourceOptions) {
    this.#options = options
    this.#ticker = new Ticker(options.tickMs)
    this.#times = { ...TIMES, ...options.times }
  }

  /** Partitions that this process counts, and how many of their records are known to wait. */
  state(): { readonly partitions: number; readonly waiting: number } {
    const waiting = this.partitions().reduce((sum, partition) => sum + partition.waiting, 0)
    return { partitions: this.#next.size, waiting }
  }

  /** As far as is known: while store or brokers are away, what they said last. By number. */
  partitions(): readonly KnownPartition[] {
    const found = Array.from(this.#known, ([number, next]) =>
      knownPartition(number, next, this.#ends[number]),
    )
    return found.toSorted((a, b) => a.number - b.number)
  }

  async *batches(signal: AbortSignal): AsyncGenerator<Batch> {
    const { observe } = this.#options
    const { retryMinMs, retryMaxMs } = this.#times
    let failures = 0
    while (!signal.aborted) {
      try {
        yield* this.#round(signal)
        failures = 0
        const [silent] = this.#silent.values()
        observe(silent, true)
      } catch (error) {
        if (!isUnavailable(error)) throw error
        this.#askAnew()
        if (!signal.aborted) observe(error.message, error instanceof LogAway)
        failures += 1
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
    if (wanted.size === 0) {
      await sleep(this.#times.idleMs, signal)
      return
    }
    yield* this.#read(wanted)
    this.#hint()
    await sleep(Math.max(0, this.#times.paceMs - (performance.now() - startedAt)), signal)
  }

  /** Goes on while a broker hangs: the partitions that others lead are counted, and stay here. */
  async #renew(): Promise<void> {
    const { topic, store, member } = this.#options
    const { leaseMs, renewalMs } = this.#times
    if (this.#topic === undefined) await openTopic(topic, store)
    const reached = [...this.#marks.values()].filter(
      ({ number, end }) => (this.#next.get(number) ?? -1n) >= end,
    )
    const leases = await store.renewLeases(topic.name, member, leaseMs, reached)
    this.#renewAt = performance.now() + renewalMs
    for (const mark of reached) this.#drop(mark)
    this.#take(leases)
    this.#marking ??= this.#mark(leases)
      .catch((error: unknown) => (this.#failure = error))
      .finally(() => (this.#marking = undefined))
    await Promise.race([this.#marking, pause(renewalMs)])
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined && (!isUnavailable(failure) || this.#topic === undefined))
      throw failure
    if (this.#topic === undefined) {
      throw new LogAway('Kafka does not say where the partitions are.')
    }
  }

  #take(leases: Leases): void {
    this.#leases = leases
    const owned = new Map(leases.owned.map(({ number, next }) => [number, next]))
    for (const number of this.#next.keys()) if (!owned.has(number)) this.#forget(number)
    for (const number of this.#known.keys()) if (!owned.has(number)) this.#known.delete(number)
    for (const [number, next] of owned) {
      this.#next.set(number, next)
      this.#known.set(number, next)
    }
  }

  #forget(number: number): void {
    this.#next.delete(number)
    this.#marks.delete(number)
    this.#limits.delete(number)
    this.#refused.delete(number)
  }

  /** The instant is older than the ends; the topic is looked at after them, to be the same. */
  async #mark({ instant, partitions, owned }: Leases): Promise<void> {
    const { topic, store } = this.#options
    const ends = await this.#readEnds()
    this.#ends = ends
    const found = await this.#describe()
    const isSame = this.#topic === undefined || this.#topic.id === found.id
    if (!isSame || found.leaders.length > partitions) await openTopic(topic, store)
    this.#topic = found
    const asked = new Set(Array.from(this.#next.keys(), (number) => found.leaders[number]))
    for (const leader of this.#silent.keys()) {
      if (!asked.has(leader)) this.#silent.delete(leader) // nothing of it is counted here any more
    }
    // Where nothing is to be read no fetch would say so, and what comes next would be skipped.
    if (owned.some(({ number, next }) => next > (ends[number] ?? next))) {
      await this.#checkRange()
      return
    }
    const isTick = this.#ticker.observe(instant, ends)
    for (const number of this.#next.keys()) {
      const end = ends[number]
      if (end === undefined || (this.#marks.has(number) && !isTick)) continue
      this.#marks.set(number, { number, end, instant })
    }
  }

  async #describe(): Promise<Description> {
    const { topic, store } = this.#options
    const found = await topic.describe()
    if (found === undefined) throw missing(topic, await store.readPartitions(topic.name))
    return found
  }

  async #readEnds(): Promise<readonly bigint[]> {
    try {
      return await this.#options.topic.ends()
    } catch (error) {
      await this.#describe() // it may be that there is no such topic
      throw error
    }
  }

  async *#read(wanted: ReadonlyMap<number, bigint>): AsyncGenerator<Batch> {
    const { asked, fetched } = await this.#fetch(wanted)
    for (const { number, batches } of fetched) {
      const from = this.#next.get(number)
      // It may have changed hands since.
      if (from === undefined || asked.get(number) !== from) continue
      const { batchMax, isKnown } = this.#options
      const max = this.#limits.get(number) ?? batchMax
      const refused = this.#refused.get(number)
      for (const piece of cut(batches, { from, max, isKnown, refused })) {
        const outcomes: Outcome[] = []
        const mark = this.#markOf(number, piece)
        const span = {
          ...this.#spanOf(number, piece),
          ...(mark && { completeUntil: mark.instant }),
        }
        yield { span, ...piece, settle: (outcome) => void outcomes.push(outcome) }
        if (!this.#settle(number, piece, outcomes[0])) break
        if (mark !== undefined) this.#drop(mark)
      }
    }
  }

  /** What the first of the leaders has, each asked once at a time: none waits for another. */
  async #fetch(wanted: ReadonlyMap<number, bigint>): Promise<Answer> {
    const leaders = this.#topic?.leaders ?? []
    for (const [leader, some] of Map.groupBy(wanted, ([number]) => leaders[number] ?? -1)) {
      if (!this.#asked.has(leader)) this.#asked.set(leader, this.#ask(leader, new Map(some)))
    }
    const answer = await Promise.race(this.#asked.values())
    this.#asked.delete(answer.leader)
    if (answer.failure === undefined) {
      this.#silent.delete(answer.leader)
      return answer
    }
    if (isOutOfRange(answer.failure)) await this.#checkRange()
    if (!this.#silent.has(answer.leader)) this.#renewAt = 0 // it may lead no more
    this.#silent.set(answer.leader, answer.failure.message)
    if (leaders.every((leader) => this.#silent.has(leader))) throw answer.failure
    return answer
  }

  async #ask(leader: number, asked: ReadonlyMap<number, bigint>): Promise<Answer> {
    try {
      const fetched = await this.#options.reader.fetch(leader, this.#topic?.id ?? '', asked)
      return { leader, asked, fetched }
    } catch (error) {
      if (!isUnavailable(error)) throw error
      return { leader, asked, fetched: [], failure: error }
    }
  }

  /** Throws if the log no longer has what is to be counted next. */
  async #checkRange(): Promise<void> {
    const { topic, store } = this.#options
    await checkRecords(topic, store, this.#times.verdictPauseMs)
  }

  #spanOf(number: number, { to }: Piece): Span {
    const source = `${this.#options.topic.name}/${number}`
    return { source, from: this.#next.get(number) ?? 0n, to, batchId: randomUUID() }
  }

  /** The mark that the position reaches with this piece. */
  #markOf(number: number, { to }: Piece): Mark | undefined {
    const mark = this.#marks.get(number)
    return mark !== undefined && to >= mark.end ? mark : undefined
  }

  /** It is stored, unless another one has taken its place meanwhile. */
  #drop(mark: Mark): void {
    if (this.#marks.get(mark.number) === mark) this.#marks.delete(mark.number)
  }

  /** Whether to go on with the partition. */
  #settle(number: number, piece: Piece, outcome: Outcome | undefined): boolean {
    const { clicks, suspects, last, to } = piece
    if (outcome?.kind === 'counted') {
      this.#next.delete(number) // to be read after the others
      this.#next.set(number, to)
      this.#known.set(number, to)
      this.#limits.delete(number)
      this.#refused.delete(number)
      return true
    }
    if (outcome?.kind !== 'rejected') {
      this.#forget(number)
      this.#renewAt = 0
      return false
    }
    // Down to the one that is at fault, which the store then keeps as a dead letter.
    const tried = clicks.length + suspects.length
    if (tried === 0 || this.#refused.get(number)?.position === last) throw outcome.cause
    if (tried === 1) this.#refused.set(number, { position: last, cause: outcome.cause })
    this.#limits.set(number, Math.ceil(tried / 2))
    return false
  }

  /** After a failure: nothing is believed that the store has not said again. */
  #askAnew(): void {
    this.#next.clear()
    this.#marks.clear()
    this.#renewAt = 0
  }

  #hint(): void {
    if (performance.now() < this.#hintAt) return
    this.#hintAt = performance.now() + this.#times.hintMs
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
    await this.#told(until)
    this.#marks.clear() // those to come are from now on, when no more clicks are taken here
    await this.#renew()
    await this.#told(until)
    for (;;) {
      const behind = [...this.#marks.values()].filter(
        ({ number, end }) => (this.#next.get(number) ?? end) < end,
      )
      if (behind.length === 0 || performance.now() > until) break
      yield* this.#read(new Map(behind.map(({ number }) => [number, this.#next.get(number) ?? 0n])))
      if (this.#silent.size > 0) await pause(this.#times.retryMinMs) // it may have failed at once
    }
    await this.#renew() // stores the marks that are reached
  }

  /** Waits for what the brokers are asked, but not for one that hangs. */
  async #told(until: number): Promise<void> {
    const leftMs = Math.max(0, until - performance.now())
    await Promise.race([this.#marking, pause(leftMs, undefined, { ref: false })])
  }
}
