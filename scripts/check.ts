// The whole gate: types, lint, format, unused code, tests. `npm test`, `npm run check`.
// The tests come last, so that their summary is the last thing on the screen.
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'

const TEST_TIMEOUT_MS = 300_000
const STATIC_CHECKS: readonly (readonly string[])[] = [
  ['tsc'],
  ['tsc', '-p', 'web/dashboard'],
  ['oxlint', '--deny-warnings', 'src', 'test', 'bench', 'scripts', 'web', 'loadtest'],
  ['prettier', '--check', '--log-level=warn', '.'],
  ['knip', '--no-progress'],
]

const files = process.argv.slice(2)
if (files.length === 0) {
  const failed = STATIC_CHECKS.filter((command) => !passes(command)).map(([name]) => name)
  if (failed.length > 0) {
    process.stdout.write(`failed: ${failed.join(', ')}\n`)
    process.exit(1)
  }
}
process.exit(runTests(files.length > 0 ? files : globSync('test/**/*.test.ts')))

function passes([name = '', ...args]: readonly string[]): boolean {
  const startedAt = performance.now()
  // node_modules/.bin leads PATH: run.mjs saw to it.
  const { status } = spawnSync(name, args, { stdio: 'inherit' })
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
  process.stdout.write(`${status === 0 ? '✔' : '✖'} ${name} (${seconds} s)\n`)
  return status === 0
}

function runTests(tests: readonly string[]): number {
  // node --test without a file would search for some, and pass when there are none.
  if (tests.length === 0) throw new Error('no test files found')
  const args = [
    '--test',
    '--test-global-setup=test/support/global-setup.ts',
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    ...tests,
  ]
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}
