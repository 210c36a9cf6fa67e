/** Tells instants that may be stored and compared: Unix milliseconds that never go back. */
export interface Clock {
  now(): number
}

/**
 * This machine's clock, held still where it steps back.
 *
 * `completeUntil` and the minutes of clicks are told by it, and neither may go back: not after a
 * correction of the time, and not over a restart. So it starts at `floor`, the last stored instant.
 */
export function steadyClock(floor: number, wall: () => number = Date.now): Clock {
  let last = floor
  return {
    now() {
      last = Math.max(last, wall())
      return last
    },
  }
}
