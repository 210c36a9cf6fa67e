import { fail, ok, warn, type Check } from '../check.ts'
import { readConfig, type Config } from '../config.ts'
import { OperatorError } from '../errors.ts'
import { inspectStore } from '../open-store.ts'
import { inspectLog } from '../visit-log.ts'
import { parseArguments, type Command } from './command.ts'
import { print, printable } from './print.ts'
import { shapeOf } from './serve.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'say what is wrong with settings, database, disk or brokers',
  help: `Usage: tallymark doctor

Checks the settings, Node.js, the database and how durable it is, the broker and
the disk, also beside a running service. Each check is a line with its verdict:
ok, warn, or FAIL, where the service cannot count or may lose what it has
acknowledged. Below the last two stands what to do. It changes nothing.

Exit code: 0, 1 if a check fails, 2 if the settings are wrong.

Example:
  tallymark doctor

  ok    configuration  embedded SQLite in ./data
  ok    node           24.21.0
  ok    folder         ./data
  warn  disk           312.5 MiB free
                       -> make room soon: on a full disk no click can be counted
`,
  async run(args) {
    parseArguments(args, {})
    let config: Config
    try {
      config = readConfig()
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      await print(linesOf(fail('configuration', error.message, SETTINGS_REMEDY)))
      return error.exitCode
    }
    const checks: Check[] = []
    for await (const check of allChecks(config)) {
      checks.push(check)
      await print(linesOf(check))
    }
    return checks.some(({ verdict }) => verdict === 'FAIL') ? 1 : 0
  },
}

const SETTINGS_REMEDY = 'docs/configuration.md has all settings'
/** The first that runs the sources as they are, and closes what it used. */
const NODE_MIN = [24, 12] as const

async function* allChecks(config: Config): AsyncGenerator<Check> {
  yield ok('configuration', shapeOf(config))
  for (const warning of config.warnings) yield warn('configuration', warning, SETTINGS_REMEDY)
  yield nodeCheck(process.versions.node)
  const found = await inspectStore(config.store)
  yield* found
  const isAway = found.some(({ name, verdict }) => name === 'database' && verdict === 'FAIL')
  yield* await inspectLog(config, isAway)
}

/** Exported for tests. */
export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = NODE_MIN
  return major > majorMin || (major === majorMin && minor >= minorMin)
    ? ok('node', version)
    : fail('node', version, `install Node.js ${NODE_MIN.join('.')} or later`)
}

/** The check, and below it the remedy. */
function linesOf(check: Check): string {
  const found = `${check.verdict.padEnd(4)}  ${check.name.padEnd(13)}  ${check.found}`
  const lines = found.split('\n')
  if (check.verdict !== 'ok') lines.push(`${' '.repeat(21)}-> ${check.remedy}`)
  return lines.map((line) => `${printable(line)}\n`).join('')
}
