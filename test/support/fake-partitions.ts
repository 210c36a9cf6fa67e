// A topic and the store that counts it, in memory: fakes behind the ports, failing as told. The store has
// the compare-and-set of the real one; leases are whatever the test wants them to be.
import assert from 'node:assert/strict'
import { setImmediate as tick } from 'node:timers/promises'
import type { RecordsBatch } from '@platformatic/kafka'
import type { Click } from '../../src/click.ts'
import type { Leases, Mark, PartitionStore } from '../../src/log/kafka/partition-store.ts'
import type { PartitionReader } from '../../src/log/kafka/reader.ts'
import { encodeRecord } from '../../src/log/kafka/record.ts'
import type { Topic } from '../../src/log/kafka/topic.ts'
import type { Aggregate } from '../../src/store/count-store.ts'
import { StormyStore, unavailable, type Weather } from './fake-store.ts'

/** What a process is told when it asks for its leases. */
export interface Told {
  readonly how: 'the truth' | 'old positions' | 'nothing'
  /** Partitions that it is given, whoever else has them: a bit each. */
  readonly owned: number
}

const TOPIC = 'clicks'

export class FakeLog implements Topic, Pick<PartitionReader, 'fetch'> {
  readonly name = TOPIC
  readonly missingForMs = 0
  /** What is acknowledged: by partition and offset, with the instant of the acknowledgement. */
  readonly records: { readonly click: Click; readonly at: number }[][]
  readonly #clock: () => number

  constructor(partitions: number, clock: () => number) {
    this.records = Array.from({ length: partitions }, () => [])
    this.#clock = clock
  }

  append(number: number, click: Click): void {
    this.records[number]?.push({ click, at: this.#clock() })
  }

  async describe() {
    await tick()
    return { id: 'topic', leaders: this.records.map(() => 1) }
  }

  async create(): Promise<void> {}
  async hint(): Promise<void> {}

  async starts() {
    await tick()
    return this.records.map(() => 0n)
  }

  async ends() {
    await tick()
    return this.records.map(({ length }) => BigInt(length))
  }

  /** Batches of three, so that the first may begin before what was asked for. */
  async fetch(_leader: number, _id: string, wanted: ReadonlyMap<number, bigint>) {
    await tick()
    return Array.from(wanted, ([number, from]) => {
      const records = this.records[number] ?? []
      const first = Math.floor(Number(from) / 3) * 3
      return { number, batches: first < records.length ? [batchOf(records, first)] : [] }
    })
  }
}

function batchOf(records: FakeLog['records'][number], first: number): RecordsBatch {
  const some = records.slice(first, first + 3)
  const values = some.map(({ click }, offsetDelta) => ({ offsetDelta, value: encodeRecord(click) }))
  // Only what is read of it.
  return {
    firstOffset: BigInt(first),
    lastOffsetDelta: some.length - 1,
    attributes: 0,
    records: values,
  } as unknown as RecordsBatch
}

export class FakePartitions extends StormyStore implements PartitionStore {
  readonly counted: Aggregate[] = []
  readonly completeUntil: number[]
  readonly next: bigint[]
  readonly #log: FakeLog
  readonly #clock: () => number
  readonly #told: Told[]
  readonly #oldPositions: bigint[]

  constructor(
    log: FakeLog,
    clock: () => number,
    { weather, told }: { readonly weather: readonly Weather[]; readonly told: readonly Told[] },
  ) {
    super(weather)
    this.#log = log
    this.#clock = clock
    this.next = log.records.map(() => 0n)
    this.#oldPositions = [...this.next]
    this.completeUntil = log.records.map(() => 0)
    this.#told = [...told]
  }

  async openPartitions(): Promise<void> {
    await tick()
  }

  async readPartitions() {
    await tick()
    return this.next.map((next, number) => ({
      number,
      next,
      topicId: 'topic',
      completeUntil: this.completeUntil[number] ?? 0,
    }))
  }

  async renewLeases(_topic: string, _member: string, _ms: number, marks: readonly Mark[]) {
    await tick()
    const { how, owned } = this.#told.shift() ?? { how: 'the truth', owned: -1 }
    if (how === 'nothing') throw unavailable()
    for (const { number, end, instant } of marks) {
      if ((this.next[number] ?? 0n) >= end) this.#complete(number, instant)
    }
    const positions = how === 'old positions' ? this.#oldPositions : this.next
    const leases: Leases = {
      instant: this.#clock(),
      members: 2,
      partitions: this.next.length,
      owned: positions.flatMap((next, number) => ((owned >> number) & 1 ? [{ number, next }] : [])),
    }
    await tick() // the answer is on its way
    return leases
  }

  async releaseLeases(): Promise<void> {
    await tick()
  }

  async announceApi(): Promise<void> {
    await tick()
  }

  protected override apply(aggregate: Aggregate): 'counted' | 'superseded' {
    const { source, from, to, completeUntil } = aggregate.span
    const number = Number(source.slice(TOPIC.length + 1))
    if (this.next[number] !== from) return 'superseded'
    this.#oldPositions[number] = from
    this.next[number] = to
    this.counted.push(aggregate)
    if (completeUntil !== undefined) this.#complete(number, completeUntil)
    return 'counted'
  }

  /** Whatever is said to be complete must be. */
  #complete(number: number, instant: number): void {
    const next = Number(this.next[number])
    const missing = this.#log.records[number]?.slice(next).find(({ at }) => at < instant)
    assert.equal(missing, undefined, `not complete until ${instant}`)
    this.completeUntil[number] = Math.max(this.completeUntil[number] ?? 0, instant)
  }
}
