// Starts, sessions and errors of the Postgres store.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { AppError, reasonOf } from '../../src/errors.ts'
import { postgresUrl } from '../../src/postgres-url.ts'
import { PostgresDatabase } from '../../src/store/postgres/database.ts'
import { runSql } from '../support/database.ts'
import {
  batchOf,
  clickOf,
  emptyDatabase,
  openAt,
  sumOf,
  untilMerged,
} from '../support/postgres-store.ts'

test('processes that start at once migrate and seed once', async () => {
  const { url } = await emptyDatabase()
  const stores = await Promise.all(Array.from({ length: 5 }, () => openAt(url)))
  const draft = { id: 1, name: 'One', url: null, status: 'active' } as const
  const seeded = await Promise.all(stores.map((store) => store.addAll([draft], 'onlyFirst')))
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
    await runSql(url, 'revoke usage on schema public from public')
    await assert.rejects(openAt(stranger.href), {
      name: 'OperatorError',
      message: /^Postgres has no schema that tables may be made in \(no schema has been selected/,
    })
  } finally {
    await runSql(url, `drop role stranger_${process.pid}`)
  }
})

test('a service waits for a database that can only be read, a command says so', async () => {
  const { url } = await emptyDatabase()
  const name = new URL(url).pathname.slice(1)
  const readOnly = (is: 'on' | 'off') =>
    runSql(
      url,
      `set transaction read write; alter database ${name} set default_transaction_read_only = ${is}`,
    )
  await readOnly('on')
  const sentence =
    /^Postgres can only be read \(cannot execute \w+ TABLE in a read-only transaction\)\.$/
  await assert.rejects(openAt(url), (error) => {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'store_unavailable')
    assert.match(reasonOf(error), sentence)
    return true
  })
  await using store = new PostgresDatabase({ connection: postgresUrl(url), label: 'Postgres' })
  await assert.rejects(store.migrate(), { name: 'OperatorError', message: sentence })
  await readOnly('off')
  await (await openAt(url))[Symbol.asyncDispose]()
})

test('a database that cannot hold every name is refused', async () => {
  const { url } = await emptyDatabase()
  const name = `latin_${process.pid}`
  await runSql(
    url,
    `create database ${name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
  )
  const latin = new URL(url)
  latin.pathname = name
  try {
    await assert.rejects(openAt(latin.href), { name: 'OperatorError', message: /LATIN1.*UTF8\.$/ })
  } finally {
    await runSql(url, `drop database ${name} with (force)`)
  }
})

test('changes of banners that wait for somebody do not keep counts from being merged', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  const holder = new Client(url)
  await holder.connect()
  await holder.query('begin; select * from registry for update')
  const banner = { name: 'x', url: null, status: 'active' } as const
  const changes = Array.from({ length: 5 }, () => store.add(banner))
  await store.commit(batchOf('writer:a', 0n, [clickOf(1)]))
  await untilMerged(url)
  await holder.query('commit')
  await holder.end()
  assert.equal((await Promise.all(changes)).length, 5)
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

/** Neither counted nor in doubt: the store cannot be trusted, and the process must end. */
async function assertBroken(attempt: Promise<unknown>): Promise<void> {
  await assert.rejects(attempt, (error) => !(error instanceof AppError))
}

test('a database whose tables are not ours is an error that ends the process, not a store that is away', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await runSql(url, 'alter table unmerged rename to mangled')
  await assertBroken(store.commit(batchOf('writer:a', 0n, [clickOf(1)])))
})

test('counts that can never be merged are an error that ends the process', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await store.open('writer:a', 0n)
  await runSql(url, 'drop function merge_batches')
  const commitForEver = async (): Promise<void> => {
    for (let from = 0n; from < 1_000n; from += 1n) {
      await store.commit(batchOf('writer:a', from, [clickOf(1)]))
      await pause(10)
    }
  }
  await assertBroken(commitForEver())
})

test('a connection that is reset in a transaction makes it fail, and nothing else', async () => {
  const { url } = await emptyDatabase()
  const server = new URL(url)
  const sockets: Socket[] = []
  const proxy = createServer((socket) => {
    const behind = connect(Number(server.port), server.hostname)
    for (const each of [socket, behind]) each.on('error', () => {})
    socket.pipe(behind).pipe(socket)
    sockets.push(socket)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const through = new URL(url)
  through.port = String((proxy.address() as AddressInfo).port) // it listens on TCP
  const other = new Client(url)
  await other.connect()
  await other.query(`begin; select pg_advisory_xact_lock(hashtext('tallymark migrations'))`)
  const opening = openAt(through.href)
  const waits = `select from pg_stat_activity where wait_event = 'advisory' and datname = current_database()`
  while ((await runSql(url, waits)).length === 0) await pause(10)
  for (const socket of sockets) socket.resetAndDestroy()
  await assert.rejects(opening, { code: 'store_unavailable' })
  await other.end()
  proxy.close()
})
