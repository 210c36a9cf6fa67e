// Backups of each store, made while clicks are counted, restored into an empty place.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { keyHash } from '../../src/click.ts'
import { contentsOf, sumOf, type Contents } from '../support/contents.ts'
import {
  click,
  readTotal,
  startKafkaApp,
  untilComplete,
  untilStatus,
} from '../support/kafka-app.ts'
import { emptyResult, post, runLoad } from '../support/load.ts'
import { runTool, startServerOfTools } from '../support/postgres-tools.ts'
import { runCommand, startService, temporaryFolder, totalOf } from '../support/service.ts'
import { createTopic, NEEDS_KAFKA } from '../support/topic.ts'
import { needs } from '../support/tools.ts'

const CONNECTIONS = 8
const BEFORE_MS = 300
const QUIET = { LOG_LEVEL: 'error' } as const

/** What was sent and acknowledged until an instant. */
interface Ledger {
  readonly keys: readonly number[]
  readonly unkeyed: number
}

/** Clicks with keys on banners 51 to 100, and without on 1 to 50. */
function startLoad(origin: string) {
  const [unkeyed, keyed] = [emptyResult(), emptyResult()]
  const acknowledgedKeys: number[] = []
  const sent = { keys: 0, unkeyed: 0 }
  let isOver = false
  const load = { origin, connections: CONNECTIONS }
  const running = Promise.all([
    runLoad({
      ...load,
      result: unkeyed,
      next: () => (isOver ? undefined : { path: `/counter/${1 + ((sent.unkeyed += 1) % 50)}` }),
    }),
    runLoad({
      ...load,
      result: keyed,
      next: () => {
        if (isOver) return undefined
        sent.keys += 1
        return { path: pathOf(sent.keys), key: `key-${sent.keys}` }
      },
      onAcknowledged: (key = '') => void acknowledgedKeys.push(Number(key.slice(4))),
    }),
  ])
  return {
    acknowledged: (): Ledger => {
      return { keys: [...acknowledgedKeys], unkeyed: unkeyed.acknowledged }
    },
    sent,
    async [Symbol.asyncDispose]() {
      isOver = true
      await running
    },
  }
}

function bannerOf(key: number): number {
  return 51 + (key % 50)
}

function pathOf(key: number): string {
  return `/counter/${bannerOf(key)}`
}

function hashOf(key: number): string {
  const hash = keyHash(bannerOf(key), 'click', `key-${key}`)
  return `${bannerOf(key)}/${Buffer.from(hash).toString('hex')}`
}

/** The state of one instant between `before`, when all of it was acknowledged, and `sent`. */
function assertIsInstant(held: Contents, before: Ledger, sent: { keys: number; unkeyed: number }) {
  const { minutes, quarters, days } = held
  assert.deepEqual([sumOf(quarters), sumOf(days)], [sumOf(minutes), sumOf(minutes)])
  const hashes = new Set(held.keys.map((line) => line.split('/', 2).join('/')))
  const missing = before.keys.filter((key) => !hashes.has(hashOf(key)))
  assert.deepEqual(missing, [], 'keys that were acknowledged before')
  assert.ok(hashes.size <= sent.keys)
  const keyed = Object.entries(minutes).filter(([slot]) => Number(slot.split('/', 1)[0]) > 50)
  assert.equal(sumOf(Object.fromEntries(keyed)), hashes.size, 'keys and counts are of one instant')
  const unkeyed = sumOf(minutes) - hashes.size
  assert.ok(before.unkeyed <= unkeyed && unkeyed <= sent.unkeyed, `${unkeyed} of ${sent.unkeyed}`)
}

/** A service on what was restored answers what was held, knows its keys, and counts on. */
async function assertCountsOn(settings: Record<string, string>, held: Contents, keys: number) {
  await using service = await startService({ ...QUIET, ...settings })
  assert.equal(await totalOf(service.origin), sumOf(held.days))
  const agent = new Agent({ keepAlive: true })
  for (let key = 1; key <= keys; key += 1) {
    assert.equal(await post(`${service.origin}${pathOf(key)}`, agent, `key-${key}`), 200)
  }
  agent.destroy()
  const unkeyed = sumOf(held.days) - held.keys.length
  assert.equal(await totalOf(service.origin), unkeyed + keys, 'each key that was sent counts once')
  assert.equal(await service.stop(), 0, service.output())
}

test('O23: backups of the embedded store under load hold one instant each, and a restored one counts on', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: join(folder.path, 'data') }
  const files: string[] = []
  let last: Ledger | undefined
  let keys = 0
  {
    await using service = await startService({ ...QUIET, ...settings })
    await using load = startLoad(service.origin)
    for (let backups = 0; backups < 3; backups += 1) {
      await pause(BEFORE_MS)
      const before = (last = load.acknowledged())
      const name = `backup-${backups}`
      const { exitCode, stdout, stderr } = await runCommand(folder.path, ['backup', name], settings)
      assert.deepEqual([exitCode, stderr], [0, ''])
      mkdirSync(join(folder.path, `restored-${backups}`))
      const file = join(folder.path, `restored-${backups}`, 'tallymark.sqlite')
      copyFileSync(join(folder.path, name), file)
      const held = await contentsOf(join(folder.path, `restored-${backups}`))
      assertIsInstant(held, before, load.sent)
      assert.match(
        stdout,
        new RegExp(`^Wrote ${name}: \\d+\\.\\d MiB, ${sumOf(held.days)} clicks\\.\\n$`),
      )
      files.push(file)
    }
    keys = load.sent.keys
  }
  assert.ok(last !== undefined && last.keys.length > 100, 'too little load')
  const restored = join(folder.path, 'restored-2')
  await assertCountsOn({ DATA_DIR: restored }, await contentsOf(restored), keys)
  assert.equal(files.length, 3)
})

test('O23: a click is in a backup as soon as it is acknowledged, wherever the database has it', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: join(folder.path, 'data') }
  await using service = await startService({ ...QUIET, ...settings })
  for (let clicks = 1; clicks <= 5; clicks += 1) {
    await click(service.origin, 1)
    const { stdout } = await runCommand(folder.path, ['backup', `file-${clicks}`], settings)
    assert.match(stdout, new RegExp(` ${clicks} click${clicks === 1 ? '' : 's'}\\.\\n$`))
  }
})

test('a backup overwrites nothing, leaves no half of itself, and says what keeps it from being made', async () => {
  using folder = temporaryFolder()
  const settings = { DATA_DIR: join(folder.path, 'data') }
  const run = (args: readonly string[], store: Record<string, string> = settings) =>
    runCommand(folder.path, ['backup', ...args], store)
  const said = (sentence: string, exitCode = 1) => ({
    exitCode,
    stdout: '',
    stderr: `tallymark: ${sentence}\n`,
  })
  assert.deepEqual(
    await run(['file']),
    said(`There is no database in ${settings.DATA_DIR} yet; start the service once.`),
  )
  assert.equal((await runCommand(folder.path, ['migrate'], settings)).exitCode, 0)
  writeFileSync(join(folder.path, 'mine'), 'of somebody')
  assert.deepEqual(await run(['mine']), said('mine is there already; name a file that is not.'))
  const nowhere = await run(['nowhere/file'])
  assert.equal(nowhere.exitCode, 1)
  assert.match(nowhere.stderr, /^tallymark: No backup was made: ENOENT: .*nowhere\/file'\.\n$/)
  assert.deepEqual(await run([]), said('<file> is missing; see tallymark help backup', 2))
  assert.deepEqual(
    await run(['file'], { DATABASE_URL: 'postgresql://me:Geheimnis@db/clicks' }),
    said(
      'The store is Postgres at db:5432/clicks: back it up by its own tools, as docs/operations.md says.',
      2,
    ),
  )
  assert.deepEqual(readdirSync(folder.path).toSorted(), ['data', 'mine'])
  assert.equal((await run(['file'])).exitCode, 0)
  assert.ok(existsSync(join(folder.path, 'file')))
  assert.deepEqual(readdirSync(folder.path).toSorted(), ['data', 'file', 'mine'])
})

test(
  'O23: pg_dump and pg_basebackup under load hold one instant each, and what is restored counts on',
  needs('pg_dump'),
  async () => {
    using folder = temporaryFolder()
    chmodSync(folder.path, 0o755) // the restored server is another user
    const dump = join(folder.path, 'dump')
    const base = join(folder.path, 'base')
    await using lost = await startServerOfTools()
    const before: Ledger[] = []
    let sent = { keys: 0, unkeyed: 0 }
    {
      await using service = await startService({ ...QUIET, DATABASE_URL: lost.url })
      await using load = startLoad(service.origin)
      await pause(BEFORE_MS)
      before.push(load.acknowledged())
      await runTool('pg_dump', ['--format=custom', `--file=${dump}`, `--dbname=${lost.url}`])
      before.push(load.acknowledged())
      await runTool('pg_basebackup', [
        '--format=tar',
        '--wal-method=fetch',
        '--checkpoint=fast',
        `--pgdata=${base}`,
        `--dbname=${lost.url}`,
      ])
      sent = { ...load.sent }
    }
    await lost.kill()
    chmodSync(base, 0o755)
    chmodSync(join(base, 'base.tar'), 0o644)
    const [beforeDump, beforeBase] = before
    assert.ok(beforeDump && beforeBase && beforeDump.keys.length > 20, 'too little load')
    {
      await using empty = await startServerOfTools()
      await runTool('pg_restore', [`--dbname=${empty.url}`, '--exit-on-error', dump])
      const held = await contentsOf(empty.url)
      assertIsInstant(held, beforeDump, sent)
      await assertCountsOn({ DATABASE_URL: empty.url }, held, sent.keys)
    }
    await using copy = await startServerOfTools(join(base, 'base.tar'))
    const held = await contentsOf(copy.url)
    assertIsInstant(held, beforeBase, sent)
    await assertCountsOn({ DATABASE_URL: copy.url }, held, sent.keys)
  },
)

const CLICKS = 30
const missing = NEEDS_KAFKA.skip ?? needs('pg_dump').skip

test(
  'O23: with Kafka, what a backup of Postgres lacks is counted again from the log: every acknowledged click is there once',
  missing === undefined ? {} : { skip: missing },
  async () => {
    using folder = temporaryFolder()
    const dump = join(folder.path, 'dump')
    await using topic = createTopic()
    await using lost = await startServerOfTools()
    const settings = { ...topic.settings, DATABASE_URL: lost.url }
    {
      await using api = await startKafkaApp({ ...settings, ROLE: 'api' })
      {
        await using aggregator = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
        await untilStatus(`${aggregator.origin}/readyz`, 200)
        await untilStatus(`${api.origin}/readyz`, 200)
        await click(api.origin, CLICKS)
        assert.equal(await untilComplete(api.origin), CLICKS)
        await runTool('pg_dump', ['--format=custom', `--file=${dump}`, `--dbname=${lost.url}`])
        await click(api.origin, CLICKS)
        assert.equal(await untilComplete(api.origin), 2 * CLICKS)
      }
      await click(api.origin, CLICKS) // nobody counts these
      await lost.kill()
      await click(api.origin, CLICKS) // of banners that it knows
    }
    await using restored = await startServerOfTools()
    await runTool('pg_restore', [`--dbname=${restored.url}`, '--exit-on-error', dump])
    await using app = await startKafkaApp({ ...topic.settings, DATABASE_URL: restored.url })
    await untilStatus(`${app.origin}/readyz`, 200)
    assert.equal(await untilComplete(app.origin), 4 * CLICKS)
    await click(app.origin, CLICKS)
    assert.equal(await untilComplete(app.origin), 5 * CLICKS)
    assert.equal((await readTotal(app.origin)).total, 5 * CLICKS)
  },
)
