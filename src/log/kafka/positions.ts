// Pure: where a topic is counted, and what becomes of its records if that is changed.
import type { StoredPartition } from './partition-store.ts'
import type { LogRange } from './topic-checks.ts'

/** A topic as brokers and store have it. */
export interface Positions {
  /** That of the brokers, a UUID; undefined: there is none of this name. */
  readonly topicId: string | undefined
  /** The store has counted a topic of the same name that is gone. */
  readonly isAnotherTopic: boolean
  readonly partitions: readonly Position[]
}

export interface StoredPositions extends Positions {
  /** Another topic, or none, has taken its place since it was counted. */
  readonly isClosed: boolean
}

export interface Position {
  readonly number: number
  /** The offset of the next record to count; undefined: nothing was ever counted from here. */
  readonly next: bigint | undefined
  /** Unix milliseconds. */
  readonly completeUntil: number | undefined
  /** Undefined: the topic has no such partition. */
  readonly range: LogRange | undefined
}

/** Where to go on: `stored` is as far as it was counted, or the nearest offset that the log has. */
export type Target =
  | { readonly kind: 'stored' | 'earliest' | 'latest' }
  | { readonly kind: 'offset'; readonly number: number; readonly offset: bigint }

export interface Move {
  readonly number: number
  readonly from: bigint | undefined
  readonly to: bigint
  /** What it does to records; undefined: nothing. */
  readonly effect: string | undefined
}

/** `ranges` by number, and no older than what is stored. */
export function positionsOf(
  topicId: string | undefined,
  stored: readonly StoredPartition[],
  ranges: readonly LogRange[],
): Positions {
  const length = Math.max(ranges.length, ...stored.map(({ number }) => number + 1))
  return {
    topicId,
    isAnotherTopic: stored.some((each) => each.topicId !== topicId),
    partitions: Array.from({ length }, (_, number) => {
      const found = stored.find((each) => each.number === number)
      const { next, completeUntil } = found ?? {}
      return { number, next, completeUntil, range: ranges[number] }
    }),
  }
}

/** How many records of a partition are not counted yet. */
export function waitingOf({ next, range }: Position): bigint {
  if (range === undefined) return 0n
  const from = next === undefined || next < range.start ? range.start : next
  return from < range.end ? range.end - from : 0n
}

/**
 * What a reset would change, none if nothing. Throws a RangeError whose message says why an offset
 * will not do.
 */
export function movesTo(target: Target, positions: Positions): Move[] {
  const { isAnotherTopic, partitions } = positions
  if (target.kind === 'offset') checkOffset(target, partitions)
  return partitions.flatMap(({ number, next, range }) => {
    if (range === undefined) return []
    // An offset of another topic says nothing about this one.
    const counted = isAnotherTopic ? range.start : (next ?? range.start)
    const to = offsetOf(target, number, counted, range)
    // What the store does not know yet begins at 0 there.
    if (!isAnotherTopic && to === (next ?? 0n)) return []
    return [{ number, from: next, to, effect: effectOf(counted, to, range) }]
  })
}

function offsetOf(
  target: Target,
  number: number,
  counted: bigint,
  { start, end }: LogRange,
): bigint {
  if (target.kind === 'offset') return target.number === number ? target.offset : counted
  if (target.kind === 'earliest') return start
  return target.kind === 'latest' ? end : nearest(counted, start, end)
}

function nearest(offset: bigint, start: bigint, end: bigint): bigint {
  if (offset < start) return start
  return offset > end ? end : offset
}

function checkOffset(
  { number, offset }: Extract<Target, { kind: 'offset' }>,
  partitions: readonly Position[],
): void {
  const range = partitions.find((each) => each.number === number)?.range
  if (range === undefined) throw new RangeError(`the topic has no partition ${number}`)
  if (offset >= range.start && offset <= range.end) return
  throw new RangeError(
    `the log of partition ${number} has the offsets from ${range.start} to ${range.end}, and not ${offset}`,
  )
}

function effectOf(counted: bigint, to: bigint, { end }: LogRange): string | undefined {
  if (to > counted) return `${counted} to ${to - 1n} are never counted`
  const last = (counted < end ? counted : end) - 1n
  if (to <= last) return `${to} to ${last} are counted again`
  return to < counted ? `the log ends at ${to}: ${to} to ${counted - 1n} are lost there` : undefined
}
