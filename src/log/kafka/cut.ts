import type { RecordsBatch } from '@platformatic/kafka'
import type { Click } from '../../click.ts'
import type { Suspect } from '../click-log.ts'
import { decodeRecord } from './record.ts'

/** Markers of transactions, which hold no click. */
const IS_CONTROL = 0x20

/** Consecutive records of a partition, from where the last piece ended up to `to`. */
export interface Piece {
  readonly clicks: readonly Click[]
  readonly suspects: readonly Suspect[]
  /** The offset of its last record, if it has any. */
  readonly last: bigint
  /** The offset of the next record. */
  readonly to: bigint
}

export interface CutOptions {
  /** The offset to begin at; a fetch may begin before it. */
  readonly from: bigint
  /** How many records a piece may have. */
  readonly max: number
  /** Whether the banner was ever registered, as far as this process knows. */
  readonly isKnown: (bannerId: number) => boolean
  readonly refused?: Refused | undefined
}

/** A record that the store would not take, though it reads as a click. */
export interface Refused {
  readonly position: bigint
  readonly cause: Error
}

/** Cuts what was fetched into pieces to count, one after the other. */
export function* cut(
  batches: readonly RecordsBatch[],
  { from, max, isKnown, refused }: CutOptions,
): Generator<Piece> {
  let clicks: Click[] = []
  let suspects: Suspect[] = []
  let begin = from
  let to = from
  let last = from - 1n
  for (const { attributes, firstOffset, lastOffsetDelta, records } of batches) {
    for (const { offsetDelta, value } of (attributes & IS_CONTROL) === 0 ? records : []) {
      const position = firstOffset + BigInt(offsetDelta)
      if (position < from) continue
      const click =
        position === refused?.position
          ? `the store refuses it: ${refused.cause.message}`
          : decodeRecord(value)
      const bytes = value ?? new Uint8Array()
      if (typeof click === 'string') suspects.push({ position, bytes, reason: click })
      else if (isKnown(click.bannerId)) clicks.push(click)
      else suspects.push({ position, bytes, click, reason: 'the banner was never registered' })
      last = position
      to = position + 1n
      if (clicks.length + suspects.length < max) continue
      yield { clicks, suspects, last, to }
      begin = to
      clicks = []
      suspects = []
    }
    // Also beyond offsets without a record: compacted ones, and markers.
    const end = firstOffset + BigInt(lastOffsetDelta) + 1n
    if (end > to) to = end
  }
  if (to > begin) yield { clicks, suspects, last, to }
}
