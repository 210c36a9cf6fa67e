// The whole gate: types, lint, format, unused code, tests. `npm test`, `npm run check`.
// The tests come last, so that their summary is the last thing on the screen. `npm run test:only` adds
// `--only`: the files that are named, and nothing else.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'

const TEST_TIMEOUT_MS = 300_000
const STATIC_CHECKS: readonly (readonly string[])[] = [
  ['tsc'],
  ['tsc', '-p', 'web/dashboard'],
  ['oxlint', '--deny-warnings', 'src', 'test', 'bench', 'scripts', 'web', 'loadtest'],
  ['prettier', '--check', '--log-level=warn', '.'],
  ['knip', '--no-progress'],
]

const [mode, ...files] = process.argv.slice(2)
if (mode === '--only') {
  // node --test says nothing of a file that is not there, if another one is.
  const missing = files.filter((file) => !existsSync(file))
  if (files.length === 0) refuse('Usage: npm run test:only -- FILE...')
  if (missing.length > 0) refuse(`There is no file ${missing.join(', ')}.`)
  process.exit(runTests(files))
}
if (mode !== undefined) refuse('To run single test files: npm run test:only -- FILE...')
const failed = STATIC_CHECKS.filter((command) => !passes(command)).map(([name]) => name)
if (failed.length > 0) {
  process.stdout.write(`failed: ${failed.join(', ')}\n`)
  process.exit(1)
}
process.exit(runTests(globSync('test/**/*.test.ts')))

function refuse(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}

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
