import { pino, type DestinationStream, type LogFn, type Logger } from 'pino'

export type { Logger }

/** How long a warning or an error keeps its like from being written. */
const QUIET_MS = 1_000
/** How many different ones are remembered; beyond that the one written longest ago is forgotten. */
const CAUSES_MAX = 100
const CAUSE_CHARACTERS_MAX = 500

/**
 * One line an entry on stderr: stdout belongs to what a command prints. What fails a thousand times a
 * second is written once a second.
 */
export function createLogger(options: {
  readonly level: string
  readonly format: 'text' | 'json'
  readonly write?: (line: string) => void
  /** Milliseconds that only go forward. */
  readonly now?: () => number
}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line))
  const destination: DestinationStream =
    options.format === 'json' ? { write } : { write: (entry) => write(textLine(entry)) }
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { logMethod: limitRepeats(options.now ?? (() => performance.now())) },
    },
    destination,
  )
}

type LogHook = (this: Logger, args: Parameters<LogFn>, write: LogFn, level: number) => void

/** Leaves out what says the same within a second, and counts it for the next that is written. */
function limitRepeats(now: () => number): LogHook {
  const written = new Map<string, { readonly at: number; leftOut: number }>()
  return function (args, write, level) {
    const { warn, error } = pino.levels.values
    if (level !== warn && level !== error) return write.apply(this, args)
    const { fields, text, parameters, cause } = entryOf(args)
    const at = now()
    const last = written.get(cause)
    if (last !== undefined && at - last.at < QUIET_MS) {
      last.leftOut += 1
      return
    }
    written.delete(cause) // what is set anew comes last, so the first is the one written longest ago
    written.set(cause, { at, leftOut: 0 })
    const [first] = written.keys()
    if (written.size > CAUSES_MAX && first !== undefined) written.delete(first)
    const count = last?.leftOut ? ` (${last.leftOut} more like it)` : ''
    write.call(this, fields, `${text}${count}`, ...parameters)
  }
}

/** What pino accepts, `(text, …)` or `(fields, text, …)`, as the latter. */
function entryOf(args: readonly unknown[]) {
  const [fields, given, ...parameters] = typeof args[0] === 'object' ? args : [{}, ...args]
  const hasError = typeof fields === 'object' && fields !== null && 'err' in fields
  const error = hasError ? fields.err : fields
  const message = error instanceof Error ? error.message : ''
  const text = typeof given === 'string' ? given : message
  // Numbers vary, such as the port that a connection came from; the cause does not.
  const cause = `${text}: ${message}`.slice(0, CAUSE_CHARACTERS_MAX).replaceAll(/\b\d+\b/g, '#')
  return { fields, text, parameters, cause }
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
