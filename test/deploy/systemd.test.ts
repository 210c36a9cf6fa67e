// The unit, as far as it can be tried without systemd as the first process: what systemd says of it,
// and its command as a plain process with its environment.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { before, test } from 'node:test'
import { parseConfig } from '../../src/config.ts'
import { needs, toolPath } from '../support/tools.ts'
import { freePort, servingChild, temporaryFolder, totalOf } from '../support/service.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const UNIT = join(ROOT, 'deploy/systemd/tallymark.service')
const INSTALLED = '/opt/tallymark/node_modules/tallymark/'
/** Tenths: it is 1.1 of 10. What is left is the network that it serves, and Node's compiler. */
const EXPOSURE_MAX = 12
const WRONG_CONFIGURATION = 2

/** Of a key, what it is set to: once, or several times. */
function settings(): Map<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const [, key = '', value = ''] of readFileSync(UNIT, 'utf8').matchAll(/^(\w+)=(.*)$/gm))
    found.set(key, [...(found.get(key) ?? []), value])
  return found
}

const unit = settings()

function only(key: string): string {
  const [value, ...others] = unit.get(key) ?? []
  assert.deepEqual(others, [], key)
  return value ?? assert.fail(`there is no ${key}`)
}

/** `%S` is where systemd keeps the states of services. */
function environment(states: string): Record<string, string> {
  const pairs = only('Environment').split(' ')
  const entries = pairs.map((pair) => /^(\w+)=(.*)$/.exec(pair)?.slice(1, 3) ?? [])
  return Object.fromEntries(entries.map(([name, value]) => [name, value?.replace('%S', states)]))
}

before(() => {
  // Builds dist, as `npm start` does.
  execFileSync(process.execPath, ['run.mjs', 'dist/main.js', 'version'], { cwd: ROOT })
})

test('systemd takes the unit, and finds it little exposed', needs('systemd-analyze'), () => {
  const analyze = (...args: readonly string[]) => {
    const options = { encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync(toolPath('systemd-analyze'), args, options)
    assert.equal(status, 0, stdout + stderr)
    return stdout + stderr
  }
  assert.equal(analyze('verify', '--man=no', UNIT), '')
  analyze('security', '--offline=true', `--threshold=${EXPOSURE_MAX}`, '--no-pager', UNIT)
})

test('its command serves with its environment, from the folder of its state', async () => {
  using states = temporaryFolder()
  const work = only('WorkingDirectory').replace('%S', states.path)
  assert.equal(only('WorkingDirectory'), `%S/${only('StateDirectory')}`)
  mkdirSync(work)
  const [program = '', ...args] = only('ExecStart').replace(INSTALLED, ROOT).split(' ')
  const PATH = [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter)
  const port = await freePort()
  const child = spawn(program, args, {
    cwd: work,
    env: { PATH, ...environment(states.path), PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  await using service = await servingChild(child, port)
  assert.equal((await fetch(`${service.origin}/counter/1`, { method: 'POST' })).status, 200)
  assert.equal(await totalOf(service.origin), 1)
  assert.equal(await service.stop('SIGTERM'), 0, service.output())
})

test('it is started again, but not where that mends nothing, and is not cut while it stops', () => {
  assert.equal(only('Restart'), 'on-failure')
  assert.deepEqual(only('RestartPreventExitStatus').split(' ').map(Number), [
    WRONG_CONFIGURATION,
    3,
  ])
  const { shutdownTimeoutMs, store } = parseConfig(environment('/var/lib'))
  assert.ok(Number(only('TimeoutStopSec')) * 1_000 > shutdownTimeoutMs)
  assert.deepEqual(store, { kind: 'sqlite', folder: '/var/lib/tallymark' })
})

test('its user comes and goes with it, and nothing forbids Node to compile', () => {
  assert.equal(only('DynamicUser'), 'yes')
  assert.equal(only('ProtectSystem'), 'strict')
  assert.equal(unit.get('User'), undefined)
  assert.equal(unit.get('MemoryDenyWriteExecute'), undefined)
})
