import { parseArgs, type ParseArgsConfig } from 'node:util'

/** One command of `tallymark`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. */
export interface Command {
  readonly name: string
  /** Its line in `tallymark help`. */
  readonly summary: string
  /** `tallymark help <name>`: with an example, and no larger than 24 lines of 80 columns. */
  readonly help: string
  /** Prints its result and returns the exit code. */
  readonly run: (args: readonly string[]) => Promise<number>
}

/** The arguments are wrong. `message` says how; the reader is then shown where help is. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

type Options = NonNullable<ParseArgsConfig['options']>

/**
 * Options and operands of a command, `operands` being the names of those that must be there; `more`
 * says whether others may follow. An option is given once: of two, one would be ignored.
 */
export function parseArguments<const T extends Options>(
  args: readonly string[],
  options: T,
  operands: readonly string[] = [],
  more: 'none' | 'many' = 'none',
) {
  const { values, positionals, tokens } = parsed(args, options)
  const given = new Set<string>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (given.has(token.name)) throw new UsageError(`${token.rawName} is given twice`)
    given.add(token.name)
  }
  const missing = operands[positionals.length]
  if (missing !== undefined) throw new UsageError(`${missing} is missing`)
  const extra = positionals[operands.length]
  if (more === 'none' && extra !== undefined)
    throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`)
  return { values, operands: positionals }
}

function parsed<const T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, tokens: true })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    // The rest tells how to pass an operand that begins with a dash.
    const sentence = error.message.replace(/\.\s.*/s, '')
    throw new UsageError(sentence.charAt(0).toLowerCase() + sentence.slice(1), { cause: error })
  }
}
