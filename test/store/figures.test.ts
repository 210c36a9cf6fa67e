// What a store tells operators of itself.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { background } from '../../src/lib/background.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { StoreWatch } from '../../src/watch/store-watch.ts'
import {
  DEAD_LETTERS_TOLD_MAX,
  type FiguresStore,
  type StoreFigures,
} from '../../src/store/store-figures.ts'
import { runSql } from '../support/database.ts'
import { unavailable } from '../support/fake-store.ts'
import { batchOf, clickOf, emptyDatabase, openAt } from '../support/postgres-store.ts'
import { temporaryFolder } from '../support/service.ts'

const DEADLINE_MS = 20_000
const folders = new DisposableStack()
after(() => folders.dispose())

async function untilFigures(
  store: FiguresStore,
  isTrue: (figures: StoreFigures) => boolean,
): Promise<StoreFigures> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const figures = await store.figures()
    if (isTrue(figures)) return figures
    assert.ok(performance.now() < deadline, JSON.stringify(figures))
    await pause(20)
  }
}

test('of an embedded store: what is not merged, failed merges, its size, and complete until now', async () => {
  const { path: folder } = folders.use(temporaryFolder())
  await using store = new SqliteDatabase({ folder })
  await store.open('writer:a', 0n)
  const before = store.clock.now()
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  await store.commit(batchOf('writer:a', 1n, [clickOf(1)]))
  using other = new DatabaseSync(join(folder, 'tallymark.sqlite'), { timeout: 1_000 })
  other.exec('begin immediate') // no merge succeeds while another one writes
  const { unmergedBatches, completeUntil } = await store.figures()
  assert.equal(unmergedBatches, 2)
  assert.ok(completeUntil >= before && completeUntil <= store.clock.now())
  await untilFigures(store, ({ mergeFailures }) => mergeFailures > 0)
  other.exec('rollback')
  await untilFigures(store, (figures) => figures.unmergedBatches === 0)
  assert.ok((await store.bytes()) > 4_096)
})

test('of Postgres: what is not merged, failed merges, its size, and complete until now', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await untilFigures(store, ({ mergeFailures }) => mergeFailures === 0)
  const before = store.clock.now()
  await runSql(url, 'alter function merge_batches rename to merge_none')
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  await untilFigures(store, ({ mergeFailures }) => mergeFailures > 0)
  const { unmergedBatches, completeUntil } = await store.figures()
  assert.equal(unmergedBatches, 1)
  assert.ok(completeUntil >= before && completeUntil <= store.clock.now())
  await runSql(url, 'alter function merge_none rename to merge_batches')
  await untilFigures(store, (figures) => figures.unmergedBatches === 0)
  assert.ok((await store.bytes()) > 1_000_000)
})

test('of Postgres: how many dead letters it keeps, but for more than a thousand', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  const keptAfter = async (sql: string): Promise<number | undefined> => {
    await runSql(url, sql)
    return (await store.figures()).deadLetters
  }
  const insert = (from: number, to: number) =>
    `insert into dead_letters (source, topic_id, position, found_at, reason, bytes)
    select 'clicks/0', '00000000-0000-0000-0000-000000000001', position, 0, 'no click', ''
    from generate_series(${from}, ${to}) as position`
  assert.equal(await keptAfter('select 1'), 0)
  assert.equal(await keptAfter(insert(1, 3)), 3)
  assert.equal(await keptAfter('delete from dead_letters where position = 2'), 2)
  assert.equal(await keptAfter(insert(4, DEAD_LETTERS_TOLD_MAX + 9)), DEAD_LETTERS_TOLD_MAX)
})

/** Answers as it is told to, and says how often it was asked. */
class FakeFigures implements FiguresStore {
  answer: StoreFigures | 'away' = 'away'
  asked = 0

  async figures(): Promise<StoreFigures> {
    this.asked += 1
    if (this.answer === 'away') throw unavailable()
    return this.answer
  }

  async bytes(): Promise<number> {
    return 1
  }
}

test('O18: the lag grows from the last answer on, and is not told where there was none', async () => {
  const store = new FakeFigures()
  let now = 1_000_000
  const clock = { now: () => now, aheadMs: 0 }
  const watch = new StoreWatch({
    store,
    clock,
    onClock: () => {},
    folder: undefined,
    intervalMs: 5,
  })
  await using _ = background(
    (cause) => assert.fail(String(cause)),
    (signal) => watch.follow(signal),
  )
  const asked = async (): Promise<void> => {
    const seen = store.asked
    while (store.asked < seen + 2) await pause(1)
  }
  await asked()
  assert.equal(watch.lagMs, undefined)
  const figures = { unmergedBatches: 3, mergeFailures: 2, deadLetters: 1 }
  store.answer = { completeUntil: 0, ...figures }
  await asked()
  assert.equal(watch.lagMs, undefined, 'nothing is complete yet')
  store.answer = { completeUntil: 998_500, ...figures }
  await asked()
  assert.equal(watch.lagMs, 1_500)
  store.answer = 'away'
  now += 60_000
  await asked()
  assert.equal(watch.lagMs, 61_500)
  assert.deepEqual(watch.figures, { completeUntil: 998_500, ...figures })
  store.answer = { completeUntil: now + 10, ...figures }
  await asked()
  assert.equal(watch.lagMs, 0, 'an instant of the store may be ahead of this clock')
})
