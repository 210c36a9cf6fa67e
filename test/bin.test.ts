import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const BIN = 'src/bin.ts'

/** Runs `tallymark version` by a Node that says it is of another version. */
function versionBy(version: string) {
  const script = `Object.defineProperties(process, {
    version: { value: 'v${version}' },
    versions: { value: { ...process.versions, node: '${version}' } },
  })`
  const args = ['--import', `data:text/javascript,${encodeURIComponent(script)}`, BIN, 'version']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('a Node that is too old gets a sentence and exit code 2', () => {
  for (const version of ['20.12.0', '22.21.1', '24.11.1']) {
    const stderr = `Tallymark needs Node.js >= 24.12; this is v${version}. Install a newer one from https://nodejs.org.\n`
    assert.deepEqual(versionBy(version), { status: 2, stdout: '', stderr })
  }
})

test('a Node that is new enough runs the command', () => {
  for (const version of ['24.12.0', '25.0.0']) {
    const { status, stdout, stderr } = versionBy(version)
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  }
})

test('the executable imports nothing before it knows that Node is new enough', () => {
  assert.doesNotMatch(readFileSync(BIN, 'utf8'), /^(?:import|export)\b/m)
})
