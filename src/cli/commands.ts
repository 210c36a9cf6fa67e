import { forgetDriverVariables } from '../config.ts'
import { backup } from './backup.ts'
import { banners } from './banners.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { copy } from './copy.ts'
import { deadLetters } from './dead-letters.ts'
import { doctor } from './doctor.ts'
import { importOriginal } from './import.ts'
import { migrate } from './migrate.ts'
import { positions } from './positions.ts'
import { print } from './print.ts'
import { serve } from './serve.ts'
import { stats } from './stats.ts'
import { version } from './version.ts'

/** Shows the others, so it stands beside their table. */
const help: Command = {
  name: 'help',
  summary: 'show this, or how a command is used',
  help: `Usage: tallymark help [command]

Shows all commands, or how one is used. --help after a command does the same.

Example:
  tallymark help serve
`,
  async run(args) {
    const [name] = args
    if (name === undefined) {
      await print(overview())
      return 0
    }
    parseArguments(args, {}, ['command'])
    const command = commandOf(name)
    if (command === undefined) throw new UsageError(`there is no command ${JSON.stringify(name)}`)
    await print(command.help)
    return 0
  },
}

/** What there is to run, and what help shows. */
export const COMMANDS: readonly Command[] = [
  serve,
  stats,
  banners,
  doctor,
  migrate,
  importOriginal,
  copy,
  backup,
  positions,
  deadLetters,
  help,
  version,
]

const NAME_COLUMNS = 14
const DEFAULT = serve.name
const ALIASES: Readonly<Record<string, string>> = {
  '--help': help.name,
  '-h': help.name,
  '--version': version.name,
}

/** Runs the command that the arguments name; returns the exit code. */
export async function run([first = DEFAULT, ...args]: readonly string[]): Promise<number> {
  forgetDriverVariables()
  const command = commandOf(ALIASES[first] ?? first)
  if (command === undefined) {
    throw new UsageError(`there is no command ${JSON.stringify(first)}; see tallymark help`)
  }
  try {
    return await (asksForHelp(args) ? help.run([command.name]) : command.run(args))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    const topic = command === help ? '' : ` ${command.name}`
    throw new UsageError(`${error.message}; see tallymark help${topic}`, { cause: error })
  }
}

function commandOf(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name)
}

/** Up to `--`, which ends the options. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const options = end === -1 ? args : args.slice(0, end)
  return options.includes('--help') || options.includes('-h')
}

function overview(): string {
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(NAME_COLUMNS)}${summary}`)
  return `Tallymark counts clicks, each acknowledged one exactly once.

Usage: tallymark [command] [options]

${lines.join('\n')}

"tallymark help <command>" shows its options and an example. Settings come from
the environment and from .env; docs/configuration.md lists them.

Example:
  PORT=9000 DATA_DIR=/var/lib/tallymark tallymark serve
  curl -X POST localhost:9000/counter/42
  DATA_DIR=/var/lib/tallymark tallymark stats 42
`
}
