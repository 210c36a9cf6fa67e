import { ok, warn, type Check } from '../check.ts'
import { AHEAD_MS_MAX } from '../clock.ts'

/** The last instant that is stored beside the time: up to it the clock of clicks and answers is held. */
export function instantsCheck(last: number, time: number): Check {
  const aheadMs = last - time
  return aheadMs <= AHEAD_MS_MAX
    ? ok('instants', 'none is stored that is ahead of the time')
    : warn(
        'instants',
        `one is stored that is ${Math.round(aheadMs / 1_000)} s ahead of the time; so clicks are counted there`,
        'set the clock right, and see "A clock that was ahead" in docs/operations.md',
      )
}
