// Dead letters in Postgres: shown, counted after all, or forgotten.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import type { Click } from '../../src/click.ts'
import type { Suspect } from '../../src/log/click-log.ts'
import type { PostgresDatabase, PostgresOptions } from '../../src/store/postgres/database.ts'
import { hold, mergedSums, runSql } from '../support/database.ts'
import { addBanners, batchIn, openEmpty, TOPIC } from '../support/partitions.ts'
import {
  clickOf,
  emptyDatabase,
  NOON,
  openAt,
  sumOf,
  untilMerged,
} from '../support/postgres-store.ts'

/** The records of these tests are JSON of a click, or are none. */
function decode(bytes: Uint8Array): Click | string {
  const text = Buffer.from(bytes).toString()
  return text.startsWith('{') ? (JSON.parse(text) as Click) : `still \u0000 ${text}`
}

function record(position: bigint, content: Click | string): Suspect {
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  return { position, bytes: Buffer.from(text), reason: 'not read yet' }
}

async function withLetters(
  contents: readonly (Click | string)[],
  options: Partial<PostgresOptions> = {},
) {
  const { url } = await emptyDatabase()
  const store = await openAt(url, options)
  await addBanners(store)
  await openEmpty(store.partitions, TOPIC, randomUUID(), [0n])
  const suspects = contents.map((content, at) => record(BigInt(at), content))
  await store.commit(batchIn(0, 0n, BigInt(contents.length), { suspects }))
  return { url, store, letters: store.deadLetters }
}

async function reasons(store: PostgresDatabase): Promise<string[]> {
  const letters = await store.deadLetters.list({ limit: 1_000 })
  return letters.map(({ offset, reason }) => `${offset} ${reason}`)
}

/** Keeps retries waiting where they have read their letters and begin to count them. */
const SOURCE_ROW = `select from positions where source = 'dead-letters' for update`

test('letters are listed by id, page by page, and forgotten for good', async () => {
  const { store, letters } = await withLetters(['a', 'b', 'c'])
  await using _ = store
  const [first, ...others] = await letters.list({ limit: 2 })
  assert.ok(first !== undefined && others.length === 1)
  assert.deepEqual(
    { ...first, bytes: Buffer.from(first.bytes).toString(), foundAt: 0 },
    {
      id: first.id,
      source: 'clicks/0',
      offset: 0n,
      foundAt: 0,
      reason: 'not read yet',
      bytes: 'a',
    },
  )
  assert.ok(Math.abs(first.foundAt - store.clock.now()) < 10_000)
  const [last, ...none] = await letters.list({ after: others[0]?.id ?? 0, limit: 2 })
  assert.deepEqual([last?.offset, none], [2n, []])
  assert.equal(await letters.count(), 3)
  assert.equal(await letters.drop([first.id, first.id + 1_000]), 1)
  assert.equal(await letters.count(), 2)
  assert.deepEqual(await letters.list({ after: last?.id ?? 0, limit: 2 }), [])
})

test('a retry counts clicks of registered banners, and tells the others why not', async () => {
  const { url, store, letters } = await withLetters([
    clickOf(1),
    clickOf(1, NOON, 'a'),
    clickOf(1, NOON, 'a'),
    clickOf(7),
    'text',
    clickOf(2, NOON, 'counted before'),
  ])
  await using _ = store
  await store.commit(batchIn(0, 6n, 7n, { clicks: [clickOf(2, NOON, 'counted before')] }))
  const told = { counted: 2, duplicates: 2, left: 2 }
  assert.deepEqual(await letters.retry(decode, 'all'), told)
  assert.equal(await sumOf(store), 3)
  assert.deepEqual(await reasons(store), ['3 the banner was never registered', '4 still  text'])
  assert.deepEqual(await letters.retry(decode, 'all'), { counted: 0, duplicates: 0, left: 2 })
  await store.add({ id: 7, name: '7', url: null, status: 'archived' })
  assert.deepEqual(await letters.retry(decode, 'all'), { counted: 1, duplicates: 0, left: 1 })
  assert.equal(await sumOf(store), 4)
  await store.commit(batchIn(0, 7n, 8n, { clicks: [clickOf(1, NOON, 'a')] }))
  assert.equal(await sumOf(store), 4) // the key is remembered
  await untilMerged(url)
  assert.equal(await sumOf(store), 4)
  assert.deepEqual(await mergedSums(url), [4, 4, 4])
})

test('a retry of some leaves the others alone, and ids that are none', async () => {
  const { store, letters } = await withLetters([clickOf(1), clickOf(1), 'text'])
  await using _ = store
  const [, second, third] = await letters.list({ limit: 3 })
  const ids = [second?.id ?? 0, third?.id ?? 0, 99_999]
  assert.deepEqual(await letters.retry(decode, ids), { counted: 1, duplicates: 0, left: 1 })
  assert.deepEqual(await letters.retry(decode, ids), { counted: 0, duplicates: 0, left: 1 })
  assert.deepEqual(await letters.missing(ids), [second?.id, 99_999])
  assert.deepEqual(await letters.retry(decode, []), { counted: 0, duplicates: 0, left: 0 })
  assert.deepEqual(await reasons(store), ['0 not read yet', '2 still  text'])
  assert.equal(await sumOf(store), 1)
})

test('letters are retried page by page, and each once by retries at once', async () => {
  const contents = Array.from({ length: 230 }, (_each, at) =>
    at % 23 === 0 ? 'text' : clickOf(1 + (at % 3), NOON, at % 2 === 0 ? `key ${at}` : undefined),
  )
  const { url, store, letters } = await withLetters(contents)
  await using _ = store
  const others = await Promise.all([openAt(url), openAt(url), openAt(url)])
  await using source = await hold(url, SOURCE_ROW)
  const retries = Promise.all(
    [store, ...others].map((each) => each.deadLetters.retry(decode, 'all')),
  )
  await source.waiting('dead_letters', 4) // all have read the same letters
  // Who waits for its turn holds none, or two could wait for each other.
  const free = await runSql(url, 'select id from dead_letters for update skip locked')
  assert.equal(free.length, 230)
  await source.free()
  const told = await retries
  assert.equal(
    told.reduce((sum, { counted }) => sum + counted, 0),
    220,
  )
  assert.ok(told.every(({ duplicates }) => duplicates === 0))
  assert.equal(await letters.count(), 10)
  assert.equal(await sumOf(store), 220)
  await untilMerged(url)
  assert.equal(await sumOf(store), 220)
  for (const each of others) await each[Symbol.asyncDispose]()
})

test('a retry whose answer was lost counts once', async () => {
  const { url, store, letters } = await withLetters([clickOf(1), clickOf(2, NOON, 'a')])
  await using _ = store
  await using source = await hold(url, SOURCE_ROW)
  const lost = assert.rejects(letters.retry(decode, 'all'), { code: 'store_unavailable' })
  const [pid] = await source.waiting('dead_letters', 1)
  await runSql(url, 'select pg_terminate_backend($1)', [pid])
  await lost
  await source.free()
  assert.deepEqual(await letters.retry(decode, 'all'), { counted: 2, duplicates: 0, left: 0 })
  assert.deepEqual(await letters.retry(decode, 'all'), { counted: 0, duplicates: 0, left: 0 })
  assert.equal(await sumOf(store), 2)
})
