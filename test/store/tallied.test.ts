// What a commit tells of its clicks: how many raised a count, and how many were there before.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import type { CountStore } from '../../src/store/count-store.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { talliedOf, type Tallied, type TalliedObserver } from '../../src/store/tallied.ts'
import { clickOf, emptyDatabase, NOON, openAt } from '../support/postgres-store.ts'
import { temporaryFolder } from '../support/service.ts'

type Opened = Pick<CountStore, 'open' | 'commit'> & AsyncDisposable

const folders = new DisposableStack()
after(() => folders.dispose())
const STORES: Readonly<Record<string, (onTallied: TalliedObserver) => Promise<Opened>>> = {
  SQLite: async (onTallied) =>
    new SqliteDatabase({ folder: folders.use(temporaryFolder()).path, onTallied }),
  Postgres: async (onTallied) => openAt((await emptyDatabase()).url, { onTallied }),
}

function batch(from: bigint, clicks: readonly Click[], batchId: string = randomUUID()) {
  return aggregate({ span: { source: 'writer:a', from, to: from + 1n, batchId }, clicks })
}

function tallied(counted: number, duplicates = 0, unsettled = 0): Tallied {
  return { counted, duplicates, unsettled, deadLetters: 0 }
}

for (const [name, open] of Object.entries(STORES)) {
  describe(name, () => {
    test('O17: a commit tells what was counted and which keys were there before', async () => {
      const told: Tallied[] = []
      await using store = await open((each) => told.push(each))
      await store.open('writer:a', 0n)
      const plain = [clickOf(1), clickOf(1), clickOf(2)]
      const keyed = ['a', 'b', 'a'].map((key) => clickOf(1, NOON, key))
      await store.commit(batch(0n, plain))
      await store.commit(batch(1n, [...plain, ...keyed]))
      await store.commit(batch(2n, keyed))
      await store.commit(batch(3n, [clickOf(2, NOON, 'a'), clickOf(1, NOON, 'c')]))
      assert.deepEqual(told, [tallied(3), tallied(5, 1), tallied(0, 3), tallied(2)])
    })

    test('O17: of a batch whose answer was lost it says what it does not know', async () => {
      const told: Tallied[] = []
      await using store = await open((each) => told.push(each))
      await store.open('writer:a', 0n)
      const clicks = [clickOf(1), clickOf(1, NOON, 'a'), clickOf(2, NOON, 'a')]
      const id = randomUUID()
      await store.commit(batch(0n, clicks, id))
      told.length = 0 // that answer was lost
      assert.equal(await store.commit(batch(0n, clicks, id)), 'counted')
      assert.deepEqual(told, [tallied(1, 0, 2)])
    })

    test('O17: a batch whose place was taken adds nothing', async () => {
      const told: Tallied[] = []
      await using store = await open((each) => told.push(each))
      await store.open('writer:a', 0n)
      await store.commit(batch(0n, [clickOf(1)]))
      assert.equal(await store.commit(batch(0n, [clickOf(1)])), 'superseded')
      assert.deepEqual(told, [tallied(1)])
    })
  })
}

test('O17: each record of a batch is one of four', () => {
  const click = clickOf(1, NOON, 'a')
  const suspects = [1n, 2n].map((position) => ({ position, bytes: new Uint8Array(), reason: '?' }))
  const whole = { ...batch(0n, [clickOf(1), clickOf(1), click, click, click]), suspects }
  assert.deepEqual(talliedOf(whole, { fresh: 2, deadLetters: 1 }), {
    counted: 4,
    duplicates: 2,
    unsettled: 0,
    deadLetters: 1,
  })
  assert.deepEqual(talliedOf(whole, undefined), tallied(2, 0, 5))
})
