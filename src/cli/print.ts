import { OperatorError } from '../errors.ts'

/**
 * Writes to stdout, at the pace of whoever reads it. Resolves to false when the reader has left, as
 * `head` does: that is no failure, but the rest need not be made.
 */
export async function print(text: string | Iterable<string>): Promise<boolean> {
  for (const chunk of typeof text === 'string' ? [text] : text) {
    if (!(await isRead(chunk))) return false
  }
  return true
}

function isRead(chunk: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    process.stdout.write(chunk, (error) => {
      if (!error) resolve(true)
      else if ('code' in error && error.code === 'EPIPE') resolve(false)
      else reject(new OperatorError(`Cannot write the output: ${error.message}.`, { cause: error }))
    })
  })
}

// What a terminal would obey, or would write from right to left, instead of showing it.
const UNPRINTABLE = /[\p{Cc}\u{2028}\u{2029}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu

/** Text from a database, safe to show in a terminal. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\u{fffd}')
}
