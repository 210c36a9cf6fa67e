// Requests made up from the description of the API, by Schemathesis: right ones, wrong ones, and
// sequences of them. No 5xx, no answer that is not described, nothing wrong that is accepted.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { inEachShape } from '../support/app.ts'
import { temporaryFolder } from '../support/service.ts'
import { needs, toolPath } from '../support/tools.ts'

const OPTIONS = [
  '--checks=all',
  // No schema says that tsFrom is before tsTo, or that two keys must not differ.
  '--exclude-checks=positive_data_acceptance',
  '--exclude-path=/live', // it does not end; test/http/live.test.ts
  '--max-examples=20',
  '--generation-deterministic',
  '--seed=1',
  '--request-timeout=30',
  '--warnings=off',
  '--no-color',
]

/** Runs it to its end; returns what it printed, if it found anything. */
async function findingsOf(origin: string): Promise<string> {
  using folder = temporaryFolder()
  const child = spawn(toolPath('schemathesis'), ['run', `${origin}/openapi.json`, ...OPTIONS], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  assert.match(output, /\d{3,} generated/, output)
  return child.exitCode === 0 ? '' : output
}

inEachShape((start) => {
  test(
    'E5: requests made up from the description get described answers, and no 5xx',
    needs('schemathesis'),
    async () => {
      await using app = await start()
      assert.equal(await findingsOf(app.origin), '')
      assert.doesNotMatch(app.log(), /ERROR|FATAL/)
    },
  )
})
