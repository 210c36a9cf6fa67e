import type { IncomingMessage } from 'node:http'

/**
 * A header's value, those of one given several times joined by ", ". `name` in lower case. For headers of which
 * `message.headers` has only the first, whatever a proxy before has read.
 */
export function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  let value: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at] ?? ''
    if (given.length !== name.length || given.toLowerCase() !== name) continue
    value = value === undefined ? rawHeaders[at + 1] : `${value}, ${rawHeaders[at + 1]}`
  }
  return value
}
