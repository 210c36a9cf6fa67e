// What a command does with a store that a service may own.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import { migrateStore, visitStore } from '../../src/open-store.ts'
import { parseConfig } from '../../src/config.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { packDeltas } from '../../src/store/sqlite/packed.ts'
import { runSql } from '../support/database.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

const NOON = Date.UTC(2026, 10, 23, 12)
const ALWAYS = [{ resolution: 'day', from: 0, to: 86_400_000 * 40_000 }] as const

function storeOf({ settings }: TestPlace) {
  return parseConfig(settings).store
}

/** A batch of 7 clicks on banner 2 that a process which is gone did not merge. */
async function leaveUnmerged({ dataFolder, settings }: TestPlace): Promise<void> {
  if (dataFolder === undefined) {
    await runSql(
      String(settings['DATABASE_URL']),
      `insert into positions values ('writer:gone', 1, null, 0);
       insert into merges values ('writer:gone', 0);
       insert into unmerged values ('writer:gone', 0, 1, '{2}', '{1}', '{${NOON / 60_000}}', '{7}')`,
    )
    return
  }
  using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
  database
    .prepare('insert into unmerged (deltas) values (?)')
    .run(packDeltas([{ bannerId: 2, tally: 'click', minute: NOON, count: 7 }]))
}

async function unmergedRows({ dataFolder, settings }: TestPlace): Promise<number> {
  const sql = 'select count(*) as rows from unmerged'
  if (dataFolder === undefined) {
    const [row] = await runSql(String(settings['DATABASE_URL']), sql)
    return Number(row?.['rows'])
  }
  using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
  return Number(database.prepare(sql).get()?.['rows'])
}

for (const shape of SHAPES) {
  test(`I9: a visit to ${shape} reads what is not merged, and merges nothing, reading or writing`, async () => {
    await using place = await createPlace(shape)
    await migrateStore(storeOf(place))
    await leaveUnmerged(place)
    for (const writes of [false, true]) {
      await using store = await visitStore(storeOf(place), { writes })
      if (writes) await store.add({ name: 'New', url: null, status: 'active' })
      const { rows } = await store.series([2, 1], 'click', ALWAYS)
      assert.deepEqual(
        rows.map(({ count }) => [...count]),
        [[7], []],
      )
    }
    assert.equal(await unmergedRows(place), 1)
  })

  test(`${shape}: a visit that writes makes the database, one that reads does not`, async () => {
    await using place = await createPlace(shape)
    const visit = (writes: boolean) => visitStore(storeOf(place), { writes })
    await assert.rejects(visit(false), { name: 'OperatorError', message: /yet; start the service/ })
    await using store = await visit(true)
    assert.equal((await store.add({ name: 'One', url: null, status: 'active' })).id, 1)
    await using second = await visit(false)
    assert.equal((await second.find(1))?.name, 'One')
  })
}

test('a guest that reads cannot write', async () => {
  await using place = await createPlace('SQLite')
  await migrateStore(storeOf(place))
  await using store = await visitStore(storeOf(place), { writes: false })
  await assert.rejects(store.add({ name: 'One', url: null, status: 'active' }), {
    name: 'OperatorError',
    message: /cannot be used: attempt to write a readonly database\.$/,
  })
})

test('I8: a guest’s completeUntil is behind no instant that the owner has stored', async () => {
  await using place = await createPlace('SQLite')
  const ahead = Date.now() + 3_600_000
  const folder = String(place.dataFolder)
  await using owner = new SqliteDatabase({ folder, wall: () => ahead })
  await owner.open('writer:a', 0n)
  const click = { bannerId: 2, tally: 'click', at: ahead } as const
  const span = { source: 'writer:a', batchId: randomUUID(), from: 0n, to: 1n }
  assert.equal(await owner.commit(aggregate({ span, clicks: [click] })), 'counted')
  await using guest = await visitStore(storeOf(place), { writes: false })
  const { rows, completeUntil } = await guest.series([2], 'click', ALWAYS)
  assert.deepEqual(
    rows.map(({ count }) => [...count]),
    [[1]],
  )
  assert.ok(completeUntil >= ahead)
})

test('a file without tables is no database yet', async () => {
  await using place = await createPlace('SQLite')
  await migrateStore(storeOf(place))
  const file = join(String(place.dataFolder), 'tallymark.sqlite')
  {
    using database = new DatabaseSync(file)
    database.exec('pragma user_version = 0')
  }
  await assert.rejects(visitStore(storeOf(place), { writes: false }), /There is no database in/)
  assert.ok(existsSync(file))
})
