import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const USAGE = 'npm run test:only -- FILE...'

test('only the test files that are named are run, and without the whole gate', () => {
  for (const [args, why] of [
    [['--only'], `Usage: ${USAGE}`],
    [
      ['--only', 'test/clock.test.ts', 'test/clocks.test.ts'],
      'There is no file test/clocks.test.ts.',
    ],
    [['test/clock.test.ts'], `To run single test files: ${USAGE}`],
  ] as const) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/check.ts', ...args], {
      encoding: 'utf8',
    })
    assert.deepEqual({ status, stdout, stderr }, { status: 2, stdout: '', stderr: `${why}\n` })
  }
})
