import { hash } from 'node:crypto'

/** Which count a click goes into. Views and the reasons of invalid clicks will join `click`. */
export type Tally = 'click'

/** A caller's idempotency key. */
export const KEY = /^[\x21-\x7e]{1,128}$/

/** One accepted count request. */
export interface Click {
  readonly bannerId: number
  readonly tally: Tally
  /** Receipt by the server, in Unix milliseconds of the clock that all processes share. */
  readonly at: number
  /** The caller's idempotency key: 1 to 128 visible ASCII characters, checked by the collector. */
  readonly key?: string
}

const KEY_HASH_BYTES = 16

/**
 * What a key is stored as: half of SHA-256 over tally, banner and key, the same in every store.
 * 16 bytes instead of up to 128, and 2^64 keys of one banner before a collision is likely.
 */
export function keyHash(bannerId: number, tally: Tally, key: string): Uint8Array {
  return hash('sha256', `${tally}\n${bannerId}\n${key}`, 'buffer').subarray(0, KEY_HASH_BYTES)
}
