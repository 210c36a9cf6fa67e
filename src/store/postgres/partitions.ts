import { OperatorError } from '../../errors.ts'
import type {
  Leases,
  Mark,
  PartitionStore,
  StoredPartition,
} from '../../log/kafka/partition-store.ts'
import type { PostgresClock } from './clock.ts'
import type { Connections, Statement } from './connections.ts'

/** Whether the click log is counted to its end: 'none' if no partition is open. */
export interface DrainState {
  readonly state: 'none' | 'drained' | 'open'
  /** Why it is not drained. */
  readonly reason?: string
}

interface PartitionsOptions {
  readonly clock: PostgresClock
  readonly upkeep: Pick<Connections, 'query'>
  /** Its own: four renewals a second must not wait for a merge. */
  readonly leases: Pick<Connections, 'query'>
}

/** The partitions of a Kafka topic in Postgres: sql/postgres/0004-kafka.sql does the work. */
export class PostgresPartitions implements PartitionStore {
  readonly #clock: PostgresClock
  readonly #upkeep: Pick<Connections, 'query'>
  readonly #leases: Pick<Connections, 'query'>

  constructor({ clock, upkeep, leases }: PartitionsOptions) {
    this.#clock = clock
    this.#upkeep = upkeep
    this.#leases = leases
  }

  async openPartitions(
    topic: string,
    topicId: string,
    starts: readonly bigint[],
    ends: readonly bigint[],
  ): Promise<void> {
    const opening = openPartitions(topic, topicId, starts, ends)
    const { counted_id: countedId, other } = await this.#ask<OpenAnswer>(this.#upkeep, opening)
    if (countedId !== undefined) throw madeAnew(topic, countedId, topicId)
    if (other === undefined) return
    throw new OperatorError(
      `The click log ${String(other.topic)} is not counted to its end, so ${topic} cannot take its place: ${reasonOf(other)}. Start again with KAFKA_TOPIC=${String(other.topic)} (ROLE=aggregator suffices) until "tallymark doctor" says that it is drained.`,
    )
  }

  async readPartitions(topic: string): Promise<readonly StoredPartition[]> {
    return await this.#read(topic, true)
  }

  /** Those of a topic whose place another one, or none, has taken. */
  async readClosed(topic: string): Promise<readonly StoredPartition[]> {
    return await this.#read(topic, false)
  }

  async #read(topic: string, isOpen: boolean): Promise<readonly StoredPartition[]> {
    const partitions = await this.#ask<StoredRow[]>(this.#leases, readPartitions(topic, isOpen))
    return partitions.map(({ next, ...partition }) => ({ ...partition, next: BigInt(next) }))
  }

  async renewLeases(
    topic: string,
    member: string,
    leaseMs: number,
    marks: readonly Mark[],
  ): Promise<Leases> {
    const statement = renewLeases(topic, member, leaseMs, marks)
    const { owned, ...leases } = await this.#ask<LeasesRow>(this.#leases, statement)
    return {
      ...leases,
      owned: owned.map(({ number, next }) => ({ number, next: BigInt(next) })),
    }
  }

  async releaseLeases(member: string): Promise<void> {
    await this.#clock.ask(this.#leases, releaseLeases(member))
  }

  async announceApi(member: string, lastAppendAt?: number): Promise<void> {
    await this.#clock.ask(this.#leases, announceApi(member, lastAppendAt))
  }

  /**
   * For a start without Kafka. Throws an OperatorError if partitions are open and not counted to their
   * end: closed, they would no longer keep `completeUntil` from what was acknowledged in them.
   */
  async closePartitions(): Promise<void> {
    const found = await this.#ask<DrainRow>(this.#upkeep, closePartitions())
    if (found.state !== 'open') return
    throw new OperatorError(
      `The click log ${String(found.topic)} is not counted to its end: ${reasonOf(found)}. Start again with KAFKA_BROKERS (ROLE=aggregator suffices) until "tallymark doctor" says that it is drained.`,
    )
  }

  /** Changes nothing. */
  async drainState(): Promise<DrainState> {
    const found = await this.#ask<DrainRow>(this.#upkeep, drainState())
    const { state } = found
    return state === 'open' ? { state, reason: reasonOf(found) } : { state }
  }

  /**
   * Has a topic counted from other positions. Partitions that are not named stay as they are, unless
   * the topic was made anew: then they begin at 0. What is skipped is never counted, what is read again
   * is counted again, but for clicks with keys that are remembered. Throws an OperatorError while
   * somebody counts.
   */
  async resetPositions(
    topic: string,
    topicId: string,
    targets: readonly { readonly number: number; readonly next: bigint }[],
  ): Promise<void> {
    const resetting = resetPositions(topic, topicId, targets)
    const { state } = await this.#ask<ResetAnswer>(this.#upkeep, resetting)
    if (state === 'unknown') {
      throw new OperatorError(
        `The store has no positions of the topic ${topic}: start the service once, or correct KAFKA_TOPIC.`,
      )
    }
    if (state === 'counting') {
      throw new OperatorError(
        `The topic ${topic} is being counted: stop every process with ROLE=aggregator or ROLE=all, and try again after 10 seconds.`,
      )
    }
  }

  /** The JSON that a statement below makes, of the type that its caller knows. */
  async #ask<T>(connections: Pick<Connections, 'query'>, statement: Statement): Promise<T> {
    const row = await this.#clock.ask(connections, statement)
    return row?.['answer'] as T
  }
}

function madeAnew(topic: string, countedId: string, topicId: string): OperatorError {
  return new OperatorError(
    `The topic ${topic} was deleted and made anew: the store has counted topic id ${countedId}, the broker has ${topicId}. Point KAFKA_TOPIC or KAFKA_BROKERS back to the old one; or stop the aggregators and run "tallymark positions reset" to count the new one from its beginning: what was not counted of the old one is lost.`,
    { exitCode: 3 },
  )
}

function reasonOf({ living, missing_ms: missingMs }: DrainRow): string {
  if (living > 0) {
    const processes = living === 1 ? 'a process puts' : `${living} processes put`
    return `${processes} clicks into it, or did in the last 10 seconds: stop all that do`
  }
  return `clicks may have been acknowledged up to ${(missingMs / 1_000).toFixed(1)} s after what is counted`
}

// What the functions make by json_build_object.

interface DrainRow {
  readonly state: DrainState['state']
  readonly topic: string | null
  readonly living: number
  readonly missing_ms: number
}

interface OpenAnswer {
  readonly counted_id?: string
  readonly other?: DrainRow
}

interface ResetAnswer {
  readonly state: 'unknown' | 'counting' | 'reset'
}

type StoredRow = Omit<StoredPartition, 'next'> & { readonly next: string }

type LeasesRow = Omit<Leases, 'owned'> & {
  readonly owned: readonly { readonly number: number; readonly next: string }[]
}

function openPartitions(
  topic: string,
  topicId: string,
  starts: readonly bigint[],
  ends: readonly bigint[],
): Statement {
  const ranges = [starts, ends].map((offsets) => offsets.map(String))
  return answerOf('open_partitions($1, $2, $3, $4)', [topic, topicId, ...ranges])
}

function closePartitions(): Statement {
  return answerOf('close_partitions(null)', [])
}

function drainState(): Statement {
  return answerOf('drain_state(null)', [])
}

function resetPositions(
  topic: string,
  topicId: string,
  targets: readonly { readonly number: number; readonly next: bigint }[],
): Statement {
  return answerOf('reset_positions($1, $2, $3, $4)', [
    topic,
    topicId,
    targets.map(({ number }) => number),
    targets.map(({ next }) => String(next)),
  ])
}

function renewLeases(
  topic: string,
  member: string,
  leaseMs: number,
  marks: readonly Mark[],
): Statement {
  const statement = answerOf('renew_leases($1, $2, $3, $4, $5, $6)', [
    topic,
    member,
    leaseMs,
    marks.map(({ number }) => number),
    marks.map(({ end }) => String(end)),
    marks.map(({ instant }) => instant),
  ])
  return { name: 'renew_leases', ...statement }
}

/** A function that returns JSON with its instant. */
function answerOf(call: string, values: readonly unknown[]): Statement {
  return {
    text: `select answer, (answer ->> 'instant')::float8 as instant from ${call} as answer`,
    values,
  }
}

function readPartitions(topic: string, isOpen: boolean): Statement {
  return {
    name: 'read_partitions',
    text: `
      select shared_instant()::float8 as instant, coalesce(
        json_agg(
          json_build_object(
            'number', number, 'topicId', topic_id, 'next', next::text,
            'completeUntil', complete_until
          )
          order by number
        ),
        '[]'
      ) as answer
      from partitions join positions using (source)
      where topic = $1 and is_open = $2`,
    values: [topic, isOpen],
  }
}

/** The others divide them at their next renewal. */
function releaseLeases(member: string): Statement {
  return {
    text: `
      with gone as (
        update members set has_left = true where id = $1 and role = 'aggregator'
      ), held as (
        select source from partitions where owner = $1 order by source for update
      ), released as (
        update partitions set owner = null, lease_until = 0
        from held where partitions.source = held.source
      )
      select shared_instant()::float8 as instant`,
    values: [member],
  }
}

function announceApi(member: string, lastAppendAt: number | undefined): Statement {
  return {
    name: 'announce_api',
    text: `
      insert into members (id, role, seen, has_left)
      values ($1, 'api', coalesce($2, shared_instant()), $2 is not null)
      on conflict (id, role) do update set
        seen = case
          when excluded.has_left then excluded.seen
          else greatest(members.seen, excluded.seen)
        end,
        has_left = excluded.has_left
      returning shared_instant()::float8 as instant`,
    values: [member, lastAppendAt],
  }
}
