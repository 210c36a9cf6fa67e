const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/
const MILLISECONDS_FROM = 10_000_000_000 // 11 digits
/** The first one that is too late. */
export const INSTANT_END = Date.UTC(2101, 0, 1)

/** The rule that `parseInstant` checks, for error messages. In a query, digits are a number. */
export const INSTANT_RULE =
  'must be an RFC 3339 time with an offset, or a whole Unix time in seconds or (from 11 digits on) milliseconds, from 1970 to 2100'

/** RFC 3339 in a string, a Unix time in a number. Unix milliseconds, or undefined. */
export function parseInstant(value: string | number): number | undefined {
  if (typeof value === 'string') return rfc3339Instant(value)
  return Number.isInteger(value) ? unixInstant(value) : undefined
}

function unixInstant(value: number): number | undefined {
  return inRange(value < MILLISECONDS_FROM ? value * 1_000 : value)
}

function rfc3339Instant(text: string): number | undefined {
  const match = RFC_3339.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match.map(Number)
  const [fraction, sign, offsetHour = '0', offsetMinute = '0'] = match.slice(7)
  if (!isTime(hour, minute, second) || !isTime(Number(offsetHour), Number(offsetMinute), 0)) {
    return undefined
  }
  const midnight = midnightOf(year, month, day)
  if (midnight === undefined) return undefined
  const offsetMinutes = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1)
  const time = ((Number(hour) * 60 + Number(minute) - offsetMinutes) * 60 + Number(second)) * 1_000
  return inRange(midnight + time + millisecondsOf(fraction ?? ''))
}

/** Digits of a second. What lies below a millisecond becomes a half, to be floored or ceiled. */
function millisecondsOf(fraction: string): number {
  const below = /[1-9]/.test(fraction.slice(3)) ? 0.5 : 0
  return Number(fraction.slice(0, 3).padEnd(3, '0')) + below
}

/** Date.UTC rolls 30 February over into March, and takes year 71 for 1971. */
function midnightOf(year = 0, month = 0, day = 0): number | undefined {
  const midnight = new Date(Date.UTC(year, month - 1, day))
  const isSame =
    midnight.getUTCFullYear() === year &&
    midnight.getUTCMonth() === month - 1 &&
    midnight.getUTCDate() === day
  return isSame ? midnight.getTime() : undefined
}

function isTime(hour = 0, minute = 0, second = 0): boolean {
  return hour <= 23 && minute <= 59 && second <= 59
}

function inRange(at: number): number | undefined {
  return at >= 0 && at < INSTANT_END ? at : undefined
}
