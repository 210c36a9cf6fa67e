// The real process at its limits: store hung, queue full, disk full, too few open files.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { post } from '../support/load.ts'
import { openRaw } from '../support/raw.ts'
import {
  freePort,
  servingChild,
  startService,
  temporaryFolder,
  totalOf,
  type Service,
} from '../support/service.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

async function readiness(service: Service): Promise<number> {
  return (await fetch(`${service.origin}/readyz`)).status
}

async function waitFor(condition: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `waited too long until ${what}`)
    await pause(50)
  }
}

test('I4: a store that hangs costs 503s and bounded memory, and counting resumes by itself', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: folder.path, ACK_TIMEOUT_MS: '500', WAITING_MAX: '20' }
  await using service = await startService(settings)
  const agent = new Agent({ keepAlive: true })
  assert.equal(await post(`${service.origin}/counter/1`, agent), 200)

  const other = new DatabaseSync(join(folder.path, 'tallymark.sqlite'))
  other.exec('begin immediate')
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, index) => {
      const answer = await fetch(`${service.origin}/counter/${1 + (index % 9)}`, { method: 'POST' })
      const { code } = (await answer.json()) as { code: string } // a problem
      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '1')
      return code
    }),
  )
  const refusedWith = (code: string) => answers.filter((each) => each === code).length
  assert.ok(
    refusedWith('overloaded') >= 40,
    `a queue of 20 refused ${refusedWith('overloaded')} of 60`,
  )
  assert.equal(refusedWith('overloaded') + refusedWith('store_unavailable'), 60)
  await waitFor(async () => (await readiness(service)) === 503, 'the service knows')
  other.exec('rollback')
  other.close()

  await waitFor(async () => (await readiness(service)) === 200, 'the service is ready again')
  assert.equal(await post(`${service.origin}/counter/1`, agent), 200)
  agent.destroy()
  const counted = await totalOf(service.origin)
  assert.ok(counted >= 2 && counted <= 2 + refusedWith('store_unavailable'), `counted ${counted}`)
  assert.equal(await service.stop(), 0)
})

test('a full disk: 503, nothing acknowledged is lost, and counting resumes', async (t) => {
  using folder = temporaryFolder()
  // A small file system of its own takes root, on Linux; store/sqlite.test.ts has the same with a
  // limit of SQLite's.
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder.path])
  if (mounted.status !== 0) {
    t.skip('mounting a small tmpfs needs root')
    return
  }
  using unmount = new DisposableStack()
  unmount.defer(() => void spawnSync('umount', ['-l', folder.path]))
  const filler = join(folder.path, 'filler')
  const settings = { DATA_DIR: join(folder.path, 'data'), ACK_TIMEOUT_MS: '500' }
  await using service = await startService(settings)
  const agent = new Agent({ keepAlive: true })
  let acknowledged = 0
  let unavailable = 0
  const click = async (index: number): Promise<number | string> => {
    const outcome = await post(`${service.origin}/counter/${1 + (index % 100)}`, agent, `k${index}`)
    if (outcome === 200) acknowledged += 1
    else if (outcome === 503) unavailable += 1
    else assert.fail(`answered ${outcome}: ${service.output()}`)
    return outcome
  }
  await click(0)
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'], { stdio: 'ignore' })
  let index = 1
  while (unavailable === 0) {
    await Promise.all(Array.from({ length: 50 }, () => click((index += 1))))
    assert.ok(index < 200_000, 'the disk did not fill up')
  }
  assert.equal((await fetch(`${service.origin}/healthz`)).status, 200)
  spawnSync('rm', [filler])
  await waitFor(async () => (await readiness(service)) === 200, 'there is room again')
  assert.equal(await click((index += 1)), 200)
  agent.destroy()
  const counted = await totalOf(service.origin)
  assert.ok(counted >= acknowledged, `lost ${acknowledged - counted}`)
  assert.ok(
    counted <= acknowledged + unavailable,
    `doubled ${counted - acknowledged - unavailable}`,
  )
  assert.equal(await service.stop(), 0)
})

test('a disk that fails while banners are changed ends the process with a sentence', async () => {
  using folder = temporaryFolder()
  const port = await freePort()
  // No file may grow beyond 600 KiB: writing to it is an I/O error.
  const command = `ulimit -f 600; exec ${process.execPath} ${MAIN}`
  const child = spawn('bash', ['-c', command], {
    cwd: folder.path,
    env: { PATH: process.env['PATH'], PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  await using service = await servingChild(child, port)
  const body = JSON.stringify({ url: `https://shop.example/${'x'.repeat(1_900)}` })
  const headers = { 'content-type': 'application/json' }
  const change = (id: number) =>
    fetch(`${service.origin}/banners/${id}`, { method: 'PATCH', headers, body })
  const deadline = performance.now() + 60_000
  for (let id = 1; child.exitCode === null; id = (id % 100) + 1) {
    assert.ok(performance.now() < deadline, 'it goes on')
    await change(id).catch(() => undefined) // it ends
  }
  assert.equal(child.exitCode, 1)
  assert.match(service.output(), /FATAL The database failed: .*disk I\/O error/)
})

test('more connections than the system allows open files neither end the service nor lock it', async () => {
  using folder = temporaryFolder()
  await using service = await startService({ DATA_DIR: folder.path }, 100)
  assert.match(service.output(), /At most 50 connections: the system allows 100 open files/)
  using scope = new DisposableStack()
  const silent = Array.from({ length: 300 }, () => scope.use(openRaw(service.origin)))
  await Promise.any(silent.map(({ closed }) => closed)) // there is no room for all
  const agent = new Agent()
  await waitFor(
    async () => (await post(`${service.origin}/counter/1`, agent)) === 200,
    'a click is counted beside those that are left',
  )
  scope.dispose()
  assert.equal(await totalOf(service.origin), 1)
  assert.equal(await service.stop(), 0)
})
