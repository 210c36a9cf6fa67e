import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { DAY_MS } from '../../src/minute.ts'
import { SqliteDatabase } from '../../src/store/sqlite/database.ts'
import { packDeltas, packKeyed, unpackDeltas, unpackKeyed } from '../../src/store/sqlite/packed.ts'
import { runs } from '../support/properties.ts'
import { temporaryFolder } from '../support/service.ts'

const NOON = Date.UTC(2024, 11, 10, 12)
const TABLES = ['minute_counts', 'quarter_counts', 'day_counts'] as const
const PLAIN = { noNullPrototype: true }
const RESOLUTIONS = ['minute', 'quarter', 'day'] as const

function openFile(folder: string): DatabaseSync {
  return new DatabaseSync(join(folder, 'tallymark.sqlite'), { timeout: 10_000 })
}

async function untilMerged(database: DatabaseSync): Promise<void> {
  const deadline = performance.now() + 10_000
  while (database.prepare('select 1 from unmerged limit 1').get() !== undefined) {
    assert.ok(performance.now() < deadline, 'nothing was merged')
    await pause(20)
  }
}

function mergedSums(database: DatabaseSync): number[] {
  return TABLES.map((table) =>
    Number(database.prepare(`select coalesce(sum(count), 0) as n from ${table}`).get()?.['n']),
  )
}

/** Everything that the store answers about three banners. */
async function answers(store: SqliteDatabase): Promise<unknown> {
  const all: unknown[] = []
  for (const resolution of RESOLUTIONS) {
    const slices = [{ resolution, from: NOON - DAY_MS / 2, to: NOON + 10 * DAY_MS }]
    all.push((await store.totals('click', slices)).rows)
    all.push((await store.series([1, 2, 3], 'click', slices)).rows)
  }
  return all
}

test('I6: merging changes no answer, however commits and merges alternate', async () => {
  const click = fc.record({
    bannerId: fc.integer({ min: 1, max: 3 }),
    tally: fc.constant('click' as const),
    // Few slots, so that one is often both merged and not.
    at: fc.constantFrom(NOON - 60_000, NOON, NOON + 60_000, NOON + DAY_MS),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          clicks: fc.array(click, { minLength: 3, maxLength: 30 }),
          isMerged: fc.boolean(),
        }),
        {
          minLength: 3,
          maxLength: 5,
        },
      ),
      async (rounds) => {
        using folder = temporaryFolder()
        await using store = new SqliteDatabase({ folder: folder.path })
        const database = openFile(folder.path)
        await store.open('writer:a', 0n)
        let clicks = 0
        for (const [index, round] of rounds.entries()) {
          const from = BigInt(index)
          const span = { source: 'writer:a', from, to: from + 1n, batchId: randomUUID() }
          await store.commit(aggregate({ span, clicks: round.clicks }))
          clicks += round.clicks.length
          if (!round.isMerged && index < rounds.length - 1) continue
          const before = await answers(store)
          await untilMerged(database)
          assert.deepEqual(await answers(store), before)
          assert.deepEqual(mergedSums(database), [clicks, clicks, clicks])
        }
        database.close()
      },
    ),
    runs(5),
  )
})

test('I6: what a start finds unmerged is in its answers, and is merged once', async () => {
  using folder = temporaryFolder()
  await new SqliteDatabase({ folder: folder.path })[Symbol.asyncDispose]()
  const database = openFile(folder.path)
  const deltas = packDeltas([{ bannerId: 2, tally: 'click', minute: NOON, count: 7 }])
  database.prepare('insert into unmerged (deltas) values (?)').run(deltas)
  await using store = new SqliteDatabase({ folder: folder.path })
  const always = [{ resolution: 'day', from: 0, to: 2 * NOON }] as const
  const before = await store.totals('click', always)
  assert.deepEqual(before.rows, [{ bannerId: 2, name: '', total: 7 }])
  await untilMerged(database)
  assert.deepEqual((await store.totals('click', always)).rows, before.rows)
  assert.deepEqual(mergedSums(database), [7, 7, 7])
  database.close()
})

test('I6: a merge that fails is tried again, and nothing is lost or doubled', async () => {
  using folder = temporaryFolder()
  await using store = new SqliteDatabase({ folder: folder.path })
  await store.open('writer:a', 0n)
  const span = { source: 'writer:a', from: 0n, to: 1n, batchId: randomUUID() }
  const clicks: Click[] = [{ bannerId: 1, tally: 'click', at: NOON }]
  await store.commit(aggregate({ span, clicks }))
  const database = openFile(folder.path)
  database.exec('begin immediate')
  await pause(1_500) // longer than the merger waits for the lock
  database.exec('rollback')
  await untilMerged(database)
  assert.deepEqual(mergedSums(database), [1, 1, 1])
  database.close()
})

test('deltas and keyed clicks are unpacked as they were packed', () => {
  const slot = {
    bannerId: fc.integer({ min: 1, max: 2_147_483_647 }),
    tally: fc.constant('click' as const),
    minute: fc.integer({ min: 0, max: 100_000_000 }).map((minute) => minute * 60_000),
  }
  const delta = fc.record({ ...slot, count: fc.integer({ min: 1, max: 2_147_483_647 }) }, PLAIN)
  const keyed = fc.record(
    { ...slot, keyHash: fc.uint8Array({ minLength: 16, maxLength: 16 }) },
    PLAIN,
  )
  fc.assert(
    fc.property(fc.array(delta), fc.array(keyed), (deltas, keyedClicks) => {
      assert.deepEqual([...unpackDeltas(packDeltas(deltas))], deltas)
      const unpacked = [...unpackKeyed(packKeyed(keyedClicks))]
      assert.deepEqual(
        unpacked.map((click) => ({ ...click, keyHash: [...click.keyHash] })),
        keyedClicks.map((click) => ({ ...click, keyHash: [...click.keyHash] })),
      )
    }),
    runs(100),
  )
})
