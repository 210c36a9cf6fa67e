#!/usr/bin/env node
// The executable: arguments to a command, its result to an exit code.
import { UsageError } from './cli/command.ts'
import { run } from './cli/commands.ts'
import { AppError, isUnavailable, OperatorError, reasonOf } from './errors.ts'

const FAILED_EXIT_CODE = 1
const USAGE_EXIT_CODE = 2

// Who prints is told by a callback; unheard, a reader that left would end the process.
process.stdout.on('error', () => {})
process.exit(await run(process.argv.slice(2)).catch(report))

/** A person reads a sentence; what nobody expected is a mistake of ours and shows its stack. */
function report(error: unknown): number {
  const { message, exitCode } = failureOf(error)
  process.stderr.write(`tallymark: ${message}\n`)
  return exitCode
}

function failureOf(error: unknown): { readonly message: string; readonly exitCode: number } {
  if (error instanceof UsageError) return { message: error.message, exitCode: USAGE_EXIT_CODE }
  if (error instanceof OperatorError) return error
  if (isUnavailable(error)) {
    return { message: `The store is away: ${reasonOf(error)}.`, exitCode: FAILED_EXIT_CODE }
  }
  if (error instanceof AppError) return { message: error.message, exitCode: FAILED_EXIT_CODE }
  throw error
}
