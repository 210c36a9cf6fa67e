// Deltas and keyed clicks as bytes, for the way to the writer and for the table "unmerged": objects
// cost more to copy to a thread, and rows more to write, than all the rest of a commit.
import { MINUTE_MS } from '../../minute.ts'
import type { Delta, KeyedClick } from '../count-store.ts'
import { codeOf, tallyOf } from '../rows.ts'

// Four little-endian int32 a delta: banner, tally's code, minute since 1970, count.
const DELTA_BYTES = 16
// Three of them and the hash a keyed click: banner, tally's code, minute since 1970.
const HASH_BYTES = 16
const KEYED_BYTES = 12 + HASH_BYTES

export function packDeltas(deltas: readonly Delta[]): Uint8Array {
  const bytes = new Uint8Array(deltas.length * DELTA_BYTES)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { bannerId, tally, minute, count } of deltas) {
    view.setInt32(at, bannerId, true)
    view.setInt32(at + 4, codeOf(tally), true)
    view.setInt32(at + 8, minute / MINUTE_MS, true)
    view.setInt32(at + 12, count, true)
    at += DELTA_BYTES
  }
  return bytes
}

export function* unpackDeltas(bytes: Uint8Array): Generator<Delta> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < view.byteLength; at += DELTA_BYTES) {
    yield {
      bannerId: view.getInt32(at, true),
      tally: tallyOf(view.getInt32(at + 4, true)),
      minute: view.getInt32(at + 8, true) * MINUTE_MS,
      count: view.getInt32(at + 12, true),
    }
  }
}

export function countOf(packedDeltas: Uint8Array): number {
  return packedDeltas.byteLength / DELTA_BYTES
}

export function packKeyed(keyed: readonly KeyedClick[]): Uint8Array {
  const bytes = new Uint8Array(keyed.length * KEYED_BYTES)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { bannerId, tally, minute, keyHash } of keyed) {
    view.setInt32(at, bannerId, true)
    view.setInt32(at + 4, codeOf(tally), true)
    view.setInt32(at + 8, minute / MINUTE_MS, true)
    bytes.set(keyHash, at + 12)
    at += KEYED_BYTES
  }
  return bytes
}

export function* unpackKeyed(bytes: Uint8Array): Generator<KeyedClick> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < view.byteLength; at += KEYED_BYTES) {
    yield {
      bannerId: view.getInt32(at, true),
      tally: tallyOf(view.getInt32(at + 4, true)),
      minute: view.getInt32(at + 8, true) * MINUTE_MS,
      keyHash: bytes.subarray(at + 12, at + KEYED_BYTES),
    }
  }
}

/** A column that the schema makes a blob. */
export function blobOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new Error('a blob was expected')
}
