import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** One line an entry on stderr: stdout belongs to what a command prints. */
export function createLogger(options: {
  readonly level: string
  readonly format: 'text' | 'json'
  readonly write?: (line: string) => void
}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line))
  const destination: DestinationStream =
    options.format === 'json' ? { write } : { write: (entry) => write(textLine(entry)) }
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  )
}

/** `2026-11-23T09:34:21.204Z INFO message {"more":"fields"}`; values are escaped by JSON. */
function textLine(entry: string): string {
  // Written by pino a moment ago.
  const { level, time, msg, ...rest } = JSON.parse(entry) as Record<string, unknown>
  const label = (pino.levels.labels[Number(level)] ?? 'info').toUpperCase().padEnd(5)
  const text = typeof msg === 'string' ? msg : ''
  const message = text.replaceAll(/\p{Cc}/gu, (character) =>
    character === '\n' ? '\n  ' : '\u{fffd}',
  )
  const fields = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`
  return `${String(time)} ${label} ${message}${fields}\n`
}
