// Batches of partitions in Postgres: records that may be no clicks, and those that it cannot take.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { BatchRejected } from '../../src/errors.ts'
import type { Suspect } from '../../src/log/click-log.ts'
import type { PostgresOptions } from '../../src/store/postgres/database.ts'
import { hold, mergedSums, runSql } from '../support/database.ts'
import { addBanners, batchIn, completeUntilOf, openEmpty, TOPIC } from '../support/partitions.ts'
import {
  batchOf,
  clickOf,
  emptyDatabase,
  NOON,
  openAt,
  sumOf,
  untilMerged,
} from '../support/postgres-store.ts'

async function opened(options: Partial<PostgresOptions> = {}) {
  const { url } = await emptyDatabase()
  const store = await openAt(url, options)
  await addBanners(store)
  const topicId = randomUUID()
  await openEmpty(store.partitions, TOPIC, topicId, [0n, 0n])
  return { url, store, topicId }
}

function suspect(position: bigint, rest: Partial<Suspect> = {}): Suspect {
  return { position, bytes: Buffer.from(`record ${position}`), reason: 'no click', ...rest }
}

async function lettersIn(url: string) {
  const rows = await runSql(
    url,
    `select source, topic_id, position::int, found_at::float8, reason,
       convert_from(bytes, 'UTF8') as text
     from dead_letters order by id`,
  )
  return rows
}

test('I16: a suspect counts if its banner is registered, whoever did not know; others are dead letters', async () => {
  const told: number[] = []
  const { url, store, topicId } = await opened({
    onTallied: ({ deadLetters }) => told.push(deadLetters),
  })
  await using _ = store
  const before = store.clock.now()
  const suspects = [
    suspect(0n, { click: clickOf(3), reason: 'unknown banner 3' }),
    suspect(1n, { click: clickOf(4), reason: 'unknown banner 4' }),
    suspect(2n, { reason: 'not JSON' }),
    suspect(3n, { click: clickOf(3), reason: 'unknown banner 3' }),
    suspect(4n, { click: clickOf(4, NOON, 'key'), reason: 'unknown banner 4' }),
  ]
  await store.commit(batchIn(1, 0n, 6n, { clicks: [clickOf(1)], suspects }))
  assert.equal(await sumOf(store), 3)
  const letters = await lettersIn(url)
  assert.deepEqual(
    letters.map(({ found_at: _at, ...letter }) => letter),
    [
      { position: 1, reason: 'unknown banner 4', text: 'record 1' },
      { position: 2, reason: 'not JSON', text: 'record 2' },
      { position: 4, reason: 'unknown banner 4', text: 'record 4' },
    ].map((letter) => ({ source: 'clicks/1', topic_id: topicId, ...letter })),
  )
  assert.ok(letters.every(({ found_at: at }) => Number(at) >= before))
  assert.deepEqual(told, [3])
  assert.deepEqual(await runSql(url, 'select from keys'), [])
})

test('keys of suspects and of other clicks are told apart together, by banner', async () => {
  const { url, store } = await opened()
  await using _ = store
  const clicks = [clickOf(1, NOON + 60_000, 'a'), clickOf(1, NOON, 'b')]
  const suspects = [
    suspect(2n, { click: clickOf(1, NOON, 'a') }),
    suspect(3n, { click: clickOf(2, NOON, 'a') }),
    suspect(4n, { click: clickOf(2, NOON, 'a') }),
    suspect(5n, { click: clickOf(1, NOON, 'c') }),
  ]
  const completeUntil = store.clock.now()
  await store.commit(batchIn(0, 0n, 6n, { clicks, suspects, completeUntil }))
  assert.equal(await sumOf(store), 4)
  await store.commit(batchIn(0, 6n, 12n, { clicks, suspects, completeUntil }))
  assert.equal(await sumOf(store), 4)
  const {
    rows: [rows],
  } = await store.series([1], 'click', [{ resolution: 'minute', from: NOON, to: NOON + 120_000 }])
  // Of two copies in one batch the earlier minute counts, as elsewhere.
  assert.deepEqual([rows?.at, rows?.count], [Float64Array.of(NOON), Float64Array.of(3)])
  assert.deepEqual(await lettersIn(url), [])
})

test('a batch of a partition that is sent again counts once, with one letter a record', async () => {
  const { url, store } = await opened()
  await using _ = store
  const [first = 0] = await completeUntilOf(store)
  const batch = batchIn(0, 0n, 9n, {
    clicks: [clickOf(1)],
    suspects: [suspect(3n), suspect(4n, { click: clickOf(2) })],
    completeUntil: first + 10,
  })
  for (let attempt = 0; attempt < 3; attempt += 1) {
    assert.equal(await store.commit(batch), 'counted')
  }
  const other = { ...batch, span: { ...batch.span, batchId: randomUUID() } }
  assert.equal(await store.commit(other), 'superseded')
  assert.equal(await sumOf(store), 2)
  assert.equal((await lettersIn(url)).length, 1)
  await untilMerged(url)
  assert.deepEqual(await mergedSums(url), [2, 2, 2])
})

test('a record that is read again after a reset is one dead letter still', async () => {
  const { url, store, topicId } = await opened()
  await using _ = store
  await store.commit(batchIn(0, 0n, 2n, { suspects: [suspect(1n)] }))
  await store.partitions.resetPositions(TOPIC, topicId, [{ number: 0, next: 0n }])
  await store.commit(batchIn(0, 0n, 2n, { suspects: [suspect(1n, { reason: 'again' })] }))
  assert.deepEqual(
    (await lettersIn(url)).map(({ reason }) => reason),
    ['no click'],
  )
  // The same offset of a topic that was made anew is another record.
  await store.partitions.resetPositions(TOPIC, randomUUID(), [{ number: 0, next: 0n }])
  await store.commit(batchIn(0, 0n, 2n, { suspects: [suspect(1n)] }))
  assert.equal((await lettersIn(url)).length, 2)
})

test('a batch that waits for a key does not hold its partition: who does waits for other partitions', async () => {
  const { url, store } = await opened()
  await using _ = store
  const batch = batchIn(0, 0n, 1n, { clicks: [clickOf(1, NOON, 'a')], completeUntil: NOON })
  const hash = Buffer.from(batch.keyed[0]?.keyHash ?? []).toString('hex')
  await using key = await hold(url, `insert into keys values (1, decode('${hash}', 'hex'), 0)`)
  await runSql(url, 'update partitions set complete_until = 0')
  const counted = store.commit(batch)
  await key.waiting('insert into keys', 1)
  const free = await runSql(url, 'select source from partitions for update skip locked')
  assert.equal(free.length, 2)
  await key.free()
  assert.equal(await counted, 'counted')
  assert.deepEqual(await completeUntilOf(store), [NOON, 0])
})

test('a batch that counts nothing leaves nothing to merge', async () => {
  const { url, store } = await opened()
  await using _ = store
  await using merge = await hold(url, `select pg_advisory_xact_lock(hashtext('tallymark counts'))`)
  await store.commit(batchIn(0, 0n, 1n, { clicks: [clickOf(1, NOON, 'a')] }))
  const again = [clickOf(1, NOON, 'a')]
  const completeUntil = store.clock.now()
  await store.commit(batchIn(0, 1n, 2n))
  await store.commit(batchIn(0, 2n, 3n, { clicks: again }))
  await store.commit(batchIn(0, 3n, 4n, { completeUntil }))
  await store.commit(batchIn(0, 4n, 5n, { clicks: again, suspects: [suspect(4n)] }))
  const rows = await runSql(url, 'select position::int from unmerged')
  assert.deepEqual(rows, [{ position: 0 }])
  assert.equal((await store.partitions.readPartitions(TOPIC))[0]?.next, 5n)
  await merge.free()
})

test('reasons may contain anything, and bytes may be anything', async () => {
  const { url, store } = await opened()
  await using _ = store
  const bytes = Uint8Array.from({ length: 256 }, (_each, index) => index)
  const reasons = [
    'a NUL \u0000 and \u001b[31mred\u202e, half \ud800 a character',
    `{"quoted, \\ 'text'"}`,
    'NULL',
    '',
    `${'x'.repeat(199)}😀 and more`,
    'é'.repeat(5_000),
  ]
  const suspects = reasons.map((reason, at) => suspect(BigInt(at), { reason, bytes }))
  suspects.push(suspect(9n, { bytes: bytes.subarray(0, 0) }))
  await store.commit(batchIn(0, 0n, 10n, { suspects }))
  const rows = await runSql(url, 'select reason, bytes from dead_letters order by position')
  assert.deepEqual(
    rows.map(({ reason }) => reason),
    [
      'a NUL  and [31mred, half  a character',
      `{"quoted, \\ 'text'"}`,
      'NULL',
      '',
      'x'.repeat(199),
      'é'.repeat(200),
      'no click',
    ],
  )
  assert.deepEqual(
    rows.map((row) => (row['bytes'] as Uint8Array).length),
    [256, 256, 256, 256, 256, 256, 0],
  )
  assert.deepEqual(Uint8Array.from(rows[0]?.['bytes'] as Uint8Array), bytes)
})

test('what Postgres cannot take of a partition is a rejected batch, and nothing of it is stored', async () => {
  const { url, store } = await opened()
  await using _ = store
  const clicks = [clickOf(1), clickOf(2, NOON, 'key'), clickOf(5_000_000_000)]
  for (const content of [{ clicks }, { clicks: [clickOf(1, NOON, 'key'), clickOf(1, 1e15)] }]) {
    await assert.rejects(store.commit(batchIn(0, 0n, 3n, content)), BatchRejected)
    const completeUntil = store.clock.now()
    const raising = batchIn(0, 0n, 3n, { ...content, completeUntil })
    await assert.rejects(store.commit(raising), BatchRejected)
  }
  // Its partition was never opened: the letter would have no topic.
  await store.open('clicks/9', 0n)
  const stray = batchIn(9, 0n, 1n, { suspects: [suspect(0n)] })
  await assert.rejects(store.commit(stray), BatchRejected)
  assert.equal(await sumOf(store), 0)
  assert.deepEqual(await runSql(url, 'select from keys'), [])
  assert.equal((await store.partitions.readPartitions(TOPIC))[0]?.next, 0n)
  assert.equal(await store.commit(batchIn(0, 0n, 3n, { clicks: [clickOf(1)] })), 'counted')
})

test('what Postgres cannot take of a writer ends the process as before', async () => {
  const { store } = await opened()
  await using _ = store
  await store.open('writer:a', 0n)
  await assert.rejects(
    store.commit(batchOf('writer:a', 0n, [clickOf(5_000_000_000)])),
    (error) => !(error instanceof BatchRejected) && Reflect.get(Object(error), 'code') === '22003',
  )
})
