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
