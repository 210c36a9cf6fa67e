#!/usr/bin/env node
// The executable: arguments to a command, its result to an exit code.
import { HELP } from './cli/help.ts'
import { serve } from './cli/serve.ts'
import { OperatorError } from './errors.ts'
import { VERSION } from './version.ts'

const USAGE_EXIT_CODE = 2

process.exit(await run(process.argv.slice(2)))

async function run(args: readonly string[]): Promise<number> {
  const [command = 'serve', ...rest] = args
  if (command === 'import') {
    if (rest.join(' ') !== '--original') return refuse('import needs --original, and nothing else')
    // Only here: the service with the embedded store does without the driver of Postgres.
    const { importOriginal } = await import('./cli/import.ts')
    return importOriginal().catch(report)
  }
  if (rest.length > 0) return refuse(`${command} takes no arguments`)
  switch (command) {
    case 'serve':
      return serve().catch(report)
    case 'help':
    case '--help':
    case '-h':
      process.stdout.write(HELP)
      return 0
    case 'version':
    case '--version':
      process.stdout.write(`${VERSION}\n`)
      return 0
    default:
      return refuse(`there is no command ${JSON.stringify(command)}`)
  }
}

function refuse(problem: string): number {
  process.stderr.write(`tallymark: ${problem}; see tallymark help\n`)
  return USAGE_EXIT_CODE
}

/** An operator reads a sentence; anything else is a mistake of ours and shows its stack. */
function report(error: unknown): number {
  if (!(error instanceof OperatorError)) throw error
  process.stderr.write(`tallymark: ${error.message}\n`)
  return error.exitCode
}
