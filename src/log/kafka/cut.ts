import type { RecordsBatch } from '@platformatic/kafka'
import type { Click } from '../../click.ts'
import type { Suspect } from '../click-log.ts'
import { UNREGISTERED } from './dead-letters.ts'
import { decodeRecord } from './record.ts'

/** Markers of transactions, which hold no click. */
const IS_CONTROL = 0x20
/**
 * Of the suspects of one piece: a compressed batch may hold a thousand times what a broker takes, and the
 * driver's statement is a string, which ends at 512 MB.
 */
const SUSPECT_BYTES_MAX = 4 * 1_024 * 1_024

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
  let suspectBytes = 0
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
      if (typeof click !== 'string' && isKnown(click.bannerId)) clicks.push(click)
      else {
        const suspect = suspectOf(position, value, click)
        suspects.push(suspect)
        suspectBytes += suspect.bytes.length
      }
      last = position
      to = position + 1n
      if (clicks.length + suspects.length < max && suspectBytes < SUSPECT_BYTES_MAX) continue
      yield { clicks, suspects, last, to }
      begin = to
      clicks = []
      suspects = []
      suspectBytes = 0
    }
    // Also beyond offsets without a record: compacted ones, and markers.
    const end = firstOffset + BigInt(lastOffsetDelta) + 1n
    if (end > to) to = end
  }
  if (to > begin) yield { clicks, suspects, last, to }
}

function suspectOf(position: bigint, value: Uint8Array | null, click: Click | string): Suspect {
  const bytes = value ?? new Uint8Array()
  if (bytes.length > SUSPECT_BYTES_MAX) {
    const reason = `the record has ${bytes.length} bytes, of which ${SUSPECT_BYTES_MAX} are kept`
    return { position, bytes: bytes.subarray(0, SUSPECT_BYTES_MAX), reason }
  }
  if (typeof click === 'string') return { position, bytes, reason: click }
  return { position, bytes, click, reason: UNREGISTERED }
}
