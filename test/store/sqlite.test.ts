import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { SqliteDatabase, type SqliteOptions } from '../../src/store/sqlite/database.ts'
import { openForWriting } from '../../src/store/sqlite/connection.ts'
import { testBannerStore } from '../contract/banner-store.ts'
import { testCountStore } from '../contract/count-store.ts'
import { testKeptMinutes } from '../contract/kept-minutes.ts'
import { temporaryFolder } from '../support/service.ts'

const folders = new DisposableStack()
after(() => folders.dispose())

async function openEmpty(options: Partial<SqliteOptions> = {}): Promise<SqliteDatabase> {
  return new SqliteDatabase({ folder: folders.use(temporaryFolder()).path, ...options })
}

testCountStore('SQLite', openEmpty)
testKeptMinutes('SQLite', openEmpty)
testBannerStore('SQLite', async (statements = '') => {
  const { path: folder } = folders.use(temporaryFolder())
  const store = await openEmpty({ folder })
  using other = new DatabaseSync(join(folder, 'tallymark.sqlite'), { timeout: 1_000 })
  other.exec(statements)
  return store
})

/** A batch of one click each of `count` banners: as many new rows in each table. */
function manyRows(span: { from: bigint; to: bigint }, count: number) {
  const clicks = Array.from({ length: count }, (_, index): Click => ({
    bannerId: index + 1,
    tally: 'click',
    at: Number(span.from) * 60_000,
  }))
  return aggregate({ span: { ...span, source: 'writer:a', batchId: randomUUID() }, clicks })
}

async function sumOf(store: SqliteDatabase): Promise<number> {
  const always = { resolution: 'day', from: 0, to: Number.MAX_SAFE_INTEGER } as const
  const { rows } = await store.totals('click', [always])
  return rows.reduce((sum, { total }) => sum + total, 0)
}

test('a full disk is store_unavailable, and the same batch counts once there is room', async () => {
  using folder = temporaryFolder()
  await using store = await openEmpty({ folder: folder.path, pagesMax: 200 })
  const other = new DatabaseSync(join(folder.path, 'tallymark.sqlite'), { timeout: 1_000 })
  other.exec('create table ballast (bytes blob); insert into ballast values (zeroblob(300000))')
  await store.open('writer:a', 0n)
  let from = 0n
  let batch = manyRows({ from, to: from + 1n }, 1_000)
  const commitUntilFull = async (): Promise<void> => {
    for (; ; from += 1n, batch = manyRows({ from, to: from + 1n }, 1_000)) await store.commit(batch)
  }
  await assert.rejects(commitUntilFull(), { code: 'store_unavailable' })
  const counted = Number(from) * 1_000
  assert.ok(counted > 0)
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  assert.equal(await sumOf(store), counted, 'what was counted before is still there')
  other.exec('drop table ballast')
  other.close()
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await sumOf(store), counted + 1_000)
})

test('a locked file is store_unavailable, and counting goes on when it is free', async () => {
  using folder = temporaryFolder()
  await using store = await openEmpty({ folder: folder.path })
  await store.open('writer:a', 0n)
  const other = new DatabaseSync(join(folder.path, 'tallymark.sqlite'))
  other.exec('begin immediate')
  const batch = manyRows({ from: 0n, to: 1n }, 1)
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  other.exec('rollback')
  assert.equal(await store.commit(batch), 'counted')
  other.close()
})

test('I10: the clock does not go back over a restart, even if the machine’s does', async () => {
  using folder = temporaryFolder()
  const day = 24 * 3_600_000
  let instant: number
  {
    await using store = await openEmpty({ folder: folder.path })
    await store.open('writer:a', 0n)
    await store.commit(manyRows({ from: 0n, to: 1n }, 1))
    instant = store.clock.now()
  }
  const wall = () => Date.now() - day
  await using store = await openEmpty({ folder: folder.path, wall })
  assert.ok(store.clock.now() > instant - day / 2, 'it stands still until the time has caught up')
})

test('a key is remembered by the time, not by a clock that is held ahead of it', async () => {
  using folder = temporaryFolder()
  const hour = 3_600_000
  const noon = Date.UTC(2024, 11, 10, 12)
  const openAt = (time: number) => openEmpty({ folder: folder.path, wall: () => time })
  const commitAt = async (at: number, from: bigint, key: string): Promise<void> => {
    await using store = await openAt(at)
    await store.open('writer:a', 0n)
    const span = { source: 'writer:a', from, to: from + 1n, batchId: randomUUID() }
    await store.commit(aggregate({ span, clicks: [{ bannerId: 1, tally: 'click', at, key }] }))
  }
  await commitAt(noon, 0n, 'a')
  await commitAt(noon + 365 * 24 * hour, 1n, 'b')
  await using store = await openAt(noon + hour)
  assert.equal(await store.purgeKeys(48 * hour, 10), 0)
})

test('I9: a second service on the folder is refused with a sentence', async () => {
  using folder = temporaryFolder()
  await using first = await openEmpty({ folder: folder.path })
  assert.ok(first)
  assert.throws(() => new SqliteDatabase({ folder: folder.path }), {
    name: 'OperatorError',
    message: `DATA_DIR ${folder.path} is in use by another Tallymark. Stop that one, or set another DATA_DIR.`,
  })
})

test('I9: the folder is free again after a stop', async () => {
  using folder = temporaryFolder()
  await (await openEmpty({ folder: folder.path }))[Symbol.asyncDispose]()
  await (await openEmpty({ folder: folder.path }))[Symbol.asyncDispose]()
})

test('a newer schema is refused, and left as it is', async () => {
  using folder = temporaryFolder()
  await (await openEmpty({ folder: folder.path }))[Symbol.asyncDispose]()
  const database = new DatabaseSync(join(folder.path, 'tallymark.sqlite'))
  database.exec('pragma user_version = 99')
  assert.throws(() => new SqliteDatabase({ folder: folder.path }), {
    name: 'OperatorError',
    message: /schema 99.*newer version/,
  })
  assert.deepEqual({ ...database.prepare('pragma user_version').get() }, { user_version: 99 })
  database.close()
  assert.throws(
    () => new SqliteDatabase({ folder: folder.path }),
    /newer version/,
    'unlocked again',
  )
})

test('every commit is in the write-ahead log, and waits until the disk has it', () => {
  using folder = temporaryFolder()
  const database = openForWriting(join(folder.path, 'tallymark.sqlite'))
  const valueOf = (name: string) => Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]
  assert.equal(valueOf('journal_mode'), 'wal')
  assert.equal(valueOf('synchronous'), 2, 'full')
  assert.equal(valueOf('fullfsync'), 1)
  database.close()
})
