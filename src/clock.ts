/** Tells instants that may be stored and compared: Unix milliseconds that never go back. */
export interface Clock {
  now(): number
}

/** One that follows another clock, and is held still where that one is behind. */
export interface HeldClock extends Clock {
  /** By how much it is ahead of the clock that it follows: for so long it is held. */
  readonly aheadMs: number
}

/** An NTP server that corrects the time holds it for less. */
export const AHEAD_MS_MAX = 5_000

/**
 * This machine's clock, held still where it steps back.
 *
 * `completeUntil` and the minutes of clicks are told by it, and neither may go back: not after a
 * correction of the time, and not over a restart. So it starts at `floor`, the last stored instant.
 */
export function steadyClock(floor: number, wall: () => number = Date.now): HeldClock {
  let last = floor
  return {
    now() {
      last = Math.max(last, wall())
      return last
    },
    get aheadMs() {
      return Math.max(0, last - wall())
    },
  }
}
