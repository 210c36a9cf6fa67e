import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import { AppError } from '../../src/errors.ts'
import { PostgresDatabase, type PostgresOptions } from '../../src/store/postgres/database.ts'
import { testBannerStore } from '../contract/banner-store.ts'
import { testCountStore } from '../contract/count-store.ts'
import { createDatabase, mergedSums, runSql, type TestDatabase } from '../support/database.ts'

const NOON = Date.UTC(2024, 11, 10, 12)

const databases = new AsyncDisposableStack()
after(() => databases.disposeAsync())

async function emptyDatabase(): Promise<TestDatabase> {
  return databases.use(await createDatabase())
}

async function openEmpty(): Promise<PostgresDatabase> {
  return openAt((await emptyDatabase()).url)
}

async function openAt(
  url: string,
  options: Partial<PostgresOptions> = {},
): Promise<PostgresDatabase> {
  const store = new PostgresDatabase({
    connection: { connectionString: url },
    label: 'Postgres',
    ...options,
  })
  try {
    await store.prepare()
    return store
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

testCountStore('Postgres', openEmpty)
testBannerStore('Postgres', openEmpty)

function batchOf(source: string, from: bigint, clicks: readonly Click[]) {
  return aggregate({ span: { source, from, to: from + 1n, batchId: randomUUID() }, clicks })
}

function clickOf(bannerId: number, at = NOON, key?: string): Click {
  return { bannerId, tally: 'click', at, ...(key !== undefined && { key }) }
}

async function sumOf(store: PostgresDatabase): Promise<number> {
  const always = { resolution: 'day', from: 0, to: 2 * NOON } as const
  const { rows } = await store.totals('click', [always])
  return rows.reduce((sum, { total }) => sum + total, 0)
}

async function untilMerged(url: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while ((await runSql(url, 'select from unmerged')).length > 0) {
    assert.ok(performance.now() < deadline, 'nothing was merged')
    await pause(20)
  }
}

test('I6: merging changes no answer of Postgres, and the three tables agree', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  const slices = [
    { resolution: 'minute', from: NOON - 3_600_000, to: NOON },
    { resolution: 'quarter', from: NOON, to: NOON + 3_600_000 },
    { resolution: 'day', from: NOON + 43_200_000, to: NOON + 43_200_000 + 10 * 86_400_000 },
  ] as const
  const answers = async () => {
    const { rows } = await store.series(2, 'click', slices)
    return [[...rows.at], [...rows.count], (await store.totals('click', slices)).rows]
  }
  let clicks = 0
  for (let round = 0n; round < 5n; round += 1n) {
    const batch = Array.from({ length: 50 }, (_, index) =>
      clickOf(1 + (index % 3), NOON - 1_800_000 + index * 60_000 + (index % 2) * 86_400_000),
    )
    clicks += batch.length
    await store.commit(batchOf('writer:a', round, batch))
    const before = await answers()
    await untilMerged(url)
    assert.deepEqual(await answers(), before)
    assert.deepEqual(await mergedSums(url), [clicks, clicks, clicks])
  }
})

test('I6: what a process leaves unmerged when it dies is in the answers, and merged by another', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:gone', 0n)
  await runSql(
    url,
    `insert into unmerged values ('writer:gone', 0, 1, '{2}', '{1}', '{${NOON / 60_000}}', '{7}');
     update positions set next = 1 where source = 'writer:gone'`,
  )
  assert.equal(await sumOf(store), 7)
  await store.open('writer:here', 0n)
  await store.commit(batchOf('writer:here', 0n, [clickOf(1)]))
  await untilMerged(url)
  assert.equal(await sumOf(store), 8)
  assert.deepEqual(await mergedSums(url), [8, 8, 8])
})

test('I6: processes that merge at once merge each batch once', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  const sources = ['writer:a', 'writer:b', 'writer:c', 'writer:d']
  for (const source of sources) await store.open(source, 0n)
  const stop = new AbortController()
  const merging = Promise.all(
    sources.map(async () => {
      const client = new Client(url)
      await client.connect()
      while (!stop.signal.aborted) await client.query('select merge_batches(7, false)')
      await client.end()
    }),
  )
  const rounds = 100
  const stores = await Promise.all(sources.map(() => openAt(url)))
  await Promise.all(
    stores.map(async (each, index) => {
      for (let round = 0; round < rounds; round += 1) {
        const clicks = [clickOf(1), clickOf(2, NOON + 60_000), clickOf(3)]
        await each.commit(batchOf(sources[index] ?? '', BigInt(round), clicks))
      }
    }),
  )
  stop.abort()
  await merging
  await untilMerged(url)
  const clicks = 3 * rounds * sources.length
  assert.equal(await sumOf(store), clicks)
  assert.deepEqual(await mergedSums(url), [clicks, clicks, clicks])
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('I3: a commit that a frozen backend made after the answer was given up counts once', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url, { commitTimeoutMs: 300 })
  await store.open('writer:a', 0n)
  const other = new Client(url)
  await other.connect()
  // Holds the attempt where a hung server would: it waits for the row, and its time runs out.
  await other.query(`begin; select from positions for update`)
  const batch = batchOf('writer:a', 0n, [clickOf(1), clickOf(1, NOON, 'key')])
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  await other.query('rollback')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await sumOf(store), 2)
  await other.end()
})

test('I5: a commit that fails after its statement was executed is not called counted', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  // Checked when the transaction commits: after the server has reported the statement as complete.
  await runSql(
    url,
    `create function refuse() returns trigger language plpgsql as
       $$ begin raise exception 'refused' using errcode = '40001'; end $$;
     create constraint trigger refuses after insert on unmerged
       deferrable initially deferred for each row execute function refuse()`,
  )
  const batch = batchOf('writer:a', 0n, [clickOf(1)])
  await assert.rejects(store.commit(batch), { code: 'store_unavailable' })
  assert.equal(await sumOf(store), 0)
  await runSql(url, 'drop trigger refuses on unmerged')
  assert.equal(await store.commit(batch), 'counted')
  assert.equal(await sumOf(store), 1)
})

test('I3: a writer whose row is gone is superseded, whatever it sends', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  await untilMerged(url)
  await runSql(url, `delete from positions`)
  assert.equal(await store.commit(batchOf('writer:a', 1n, [clickOf(1)])), 'superseded')
  assert.equal(await sumOf(store), 1)
})

test('I7: processes that count the same keys at once count each once, without a deadlock', async () => {
  const { url } = await emptyDatabase()
  const stores = await Promise.all([openAt(url), openAt(url), openAt(url), openAt(url)])
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`)
  await Promise.all(
    stores.map(async (store, writer) => {
      const source = `writer:${writer}`
      await store.open(source, 0n)
      for (let round = 0; round < 20; round += 1) {
        // Each in an order of its own: the batches sort them.
        const clicks = keys
          .toSorted(() => Math.random() - 0.5)
          .map((key) => clickOf(1, NOON, `${key} ${round % 4}`))
        assert.equal(await store.commit(batchOf(source, BigInt(round), clicks)), 'counted')
      }
    }),
  )
  const [store] = stores
  assert.ok(store !== undefined)
  assert.equal(await sumOf(store), keys.length * 4)
  const [row] = await runSql(
    url,
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  assert.equal(row?.['deadlocks'], 0)
  for (const each of stores) await each[Symbol.asyncDispose]()
})

test('processes that start at once migrate and seed once', async () => {
  const { url } = await emptyDatabase()
  const stores = await Promise.all(Array.from({ length: 5 }, () => openAt(url)))
  const draft = { id: 1, name: 'One', url: null, status: 'active' } as const
  const seeded = await Promise.all(stores.map((store) => store.seed([draft])))
  assert.deepEqual(
    seeded.toSorted((a, b) => a - b),
    [0, 0, 0, 0, 1],
  )
  for (const store of stores) await store[Symbol.asyncDispose]()
})

test('a newer schema is refused, and left as it is', async () => {
  const { url } = await emptyDatabase()
  await (await openAt(url))[Symbol.asyncDispose]()
  await runSql(url, `insert into schema_versions values (99, 'from the future')`)
  await assert.rejects(openAt(url), { name: 'OperatorError', message: /schema 99.*newer version/ })
  const [row] = await runSql(url, 'select max(version)::int as version from schema_versions')
  assert.equal(row?.['version'], 99)
})

test('what an operator has to mend is said in a sentence: database, user, rights', async () => {
  const { url } = await emptyDatabase()
  const missing = new URL(url)
  missing.pathname = 'nowhere'
  await assert.rejects(openAt(missing.href), {
    name: 'OperatorError',
    message: 'Postgres has no such database (database "nowhere" does not exist).',
  })
  await runSql(url, `create role stranger_${process.pid} login`)
  try {
    const stranger = new URL(url)
    stranger.username = `stranger_${process.pid}`
    await assert.rejects(openAt(stranger.href), {
      name: 'OperatorError',
      message: /^Postgres does not give the rights \(permission denied/,
    })
  } finally {
    await runSql(url, `drop role stranger_${process.pid}`)
  }
})

test('a server that cannot be reached is store_unavailable', async () => {
  await assert.rejects(openAt('postgresql://postgres@127.0.0.1:1/postgres'), {
    code: 'store_unavailable',
  })
})

test('I3: terminated connections are replaced, and what they left in doubt counts once', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  for (let round = 0n; round < 10n; round += 1n) {
    const batch = batchOf('writer:a', round, [clickOf(1)])
    const terminating = runSql(
      url,
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    )
    // As the log does it: the same batch again, while nobody knows.
    const outcome = await (async () => {
      for (let attempt = 0; attempt < 100; attempt += 1) {
        try {
          return await store.commit(batch)
        } catch (error) {
          if (!(error instanceof AppError && error.code === 'store_unavailable')) throw error
          await pause(10)
        }
      }
      return 'in doubt'
    })()
    assert.equal(outcome, 'counted')
    await terminating
  }
  for (let attempt = 0; ; attempt += 1) {
    const sum = await sumOf(store).catch(() => undefined)
    if (sum === undefined && attempt < 100) continue // a connection that ended unnoticed
    assert.equal(sum, 10)
    break
  }
})

test('every session waits for the disk, whatever the database’s defaults say', async () => {
  const { url } = await emptyDatabase()
  const name = new URL(url).pathname.slice(1)
  await runSql(
    url,
    `alter database ${name} set synchronous_commit = off;
     alter database ${name} set default_transaction_isolation = 'repeatable read'`,
  )
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await runSql(
    url,
    `create table seen (name text, value text);
     create function look() returns trigger language plpgsql as $$ begin
       insert into seen select name, setting from pg_settings
       where name in ('synchronous_commit', 'transaction_isolation');
       return null;
     end $$;
     create trigger looks after insert on unmerged execute function look()`,
  )
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  assert.deepEqual(await runSql(url, 'select name, value from seen order by name'), [
    { name: 'synchronous_commit', value: 'on' },
    { name: 'transaction_isolation', value: 'read committed' },
  ])
})

test('I10: a process that starts is not behind the clock that another has used', async () => {
  const { url } = await emptyDatabase()
  await using first = await openAt(url)
  await first.open('writer:a', 0n)
  const day = 86_400_000
  const ahead = first.clock.now() + day
  await runSql(url, `update positions set instant = ${ahead}`)
  await using second = await openAt(url)
  assert.ok(second.clock.now() >= ahead)
})

test('a writer that nobody keeps alive is forgotten after a week, once its batches are merged', async () => {
  const { url } = await emptyDatabase()
  {
    await using store = await openAt(url)
    await store.open('writer:old', 0n)
    await store.open('writer:older', 0n)
    await store.commit(batchOf('writer:old', 0n, [clickOf(1)]))
    await untilMerged(url)
  }
  const week = 7 * 86_400_000
  await runSql(
    url,
    `update positions set instant = instant - ${week + 60_000};
     insert into unmerged values ('writer:older', 0, 1, '{2}', '{1}', '{1}', '{7}')`,
  )
  await using store = await openAt(url)
  assert.deepEqual(
    (await runSql(url, `select source from positions where source like 'writer:%'`)).map(
      ({ source }) => source,
    ),
    ['writer:older'],
  )
  assert.equal(await sumOf(store), 8)
})
