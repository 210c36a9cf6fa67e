// Makes the databases of an earlier release that test/system/upgrade.test.ts starts the present code on:
//
//   node scripts/previous-release.ts d217877 0.1.0
//
// It runs the release as it is in git, on both stores, and writes what that has left behind as SQL to
// test/fixtures/RELEASE. Run it once for each release, before its schema gets another file.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createDatabase, runSql } from '../test/support/database.ts'
import { runTool, startServerOfTools } from '../test/support/postgres-tools.ts'
import { freePort } from '../test/support/service.ts'

const MERGED_MS = 3_000
const START_TRIES = 600
const TRIES = 10

const run = promisify(execFile)
const [commit, release] = process.argv.slice(2)
if (commit === undefined || release === undefined) {
  throw new Error('Usage: node scripts/previous-release.ts COMMIT RELEASE')
}
const work = mkdtempSync(join(tmpdir(), 'tallymark-release-'))
try {
  const code = join(work, 'code')
  mkdirSync(code)
  await run('sh', ['-c', `git archive ${commit} | tar -x -C "${code}"`])
  symlinkSync(resolve('node_modules'), join(code, 'node_modules'))
  await makeFixtures(code)
} finally {
  rmSync(work, { recursive: true, force: true })
}

async function makeFixtures(code: string): Promise<void> {
  await using server = await startServerOfTools()
  await using original = await createDatabase(server.url)
  await runSql(
    original.url,
    `create table banner_stats (banner_id bigint, hour_timestamp timestamptz, counts jsonb);
     insert into banner_stats values (7, '2024-12-10 12:00:00Z', '{"0": 3, "15": 4, "59": 1}')`,
  )
  const settings = { ORIGINAL_DATABASE_URL: original.url }
  const folder = `test/fixtures/${release}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'sqlite.sql'), headed(await ofSqlite(code, settings)))
  writeFileSync(join(folder, 'postgres.sql'), headed(await ofPostgres(code, settings, server.url)))
}

function headed(sql: string): string {
  return `-- A database as release ${release} left it when it was killed: made by "node scripts/previous-release.ts".
-- What is in it: "live" there.
${sql}`
}

type Settings = Readonly<Record<string, string>>

/** An import, banners of every status, clicks with keys and without, and the last ones not merged. */
async function live(code: string, settings: Settings, prepare: () => Promise<void>): Promise<void> {
  await command(code, ['import', '--original'], settings)
  await prepare()
  const port = await freePort()
  const service = spawn(process.execPath, ['src/main.ts', 'serve'], {
    cwd: code,
    env: { PATH: process.env['PATH'], ...settings, PORT: String(port) },
    stdio: 'inherit',
  })
  const ended = once(service, 'exit')
  const send = async (method: string, path: string, headers = {}, body?: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
    })
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`)
  }
  for (let tries = 0; tries < START_TRIES; tries += 1) {
    const isThere = await send('GET', '/readyz').then(
      () => true,
      () => false,
    )
    if (isThere) break
    await pause(100)
  }
  const json = { 'content-type': 'application/json' }
  await send(
    'POST',
    '/banners',
    json,
    '{"id":1,"name":"Winter coats","url":"https://shop.example/"}',
  )
  await send('POST', '/banners', json, '{"id":2,"name":"Gloves"}')
  await send('POST', '/banners', json, '{"id":3,"name":"Scarves"}')
  await send('POST', '/banners', json, '{"name":"Given by the service"}')
  for (let clicks = 1; clicks <= 10; clicks += 1) {
    await send('POST', '/counter/1')
    await send('POST', '/counter/2', { 'idempotency-key': `key-${clicks}` })
  }
  await send('DELETE', '/banners/2')
  await send('PATCH', '/banners/3', json, '{"status":"paused"}')
  await pause(MERGED_MS)
  await Promise.all(Array.from({ length: 10 }, () => send('POST', '/counter/1')))
  service.kill('SIGKILL')
  await ended
}

async function command(code: string, args: readonly string[], settings: Settings): Promise<void> {
  await run(process.execPath, ['src/main.ts', ...args], {
    cwd: code,
    env: { PATH: process.env['PATH'], ...settings },
  })
}

async function ofSqlite(code: string, settings: Settings): Promise<string> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const folder = join(work, `data-${tries}`)
    await live(code, { ...settings, DATA_DIR: folder }, async () => {})
    using database = new DatabaseSync(join(folder, 'tallymark.sqlite'))
    if (database.prepare('select 1 from unmerged').get() !== undefined) return dumpOf(database)
  }
  throw new Error('everything was merged each time')
}

function dumpOf(database: DatabaseSync): string {
  const objects = database
    .prepare('select type, name, sql from sqlite_schema where sql is not null order by rowid')
    .all()
  const inserts = objects
    .filter(({ type }) => type === 'table')
    .flatMap(({ name }) => {
      const columns = database
        .prepare('select name from pragma_table_info(?)')
        .all(String(name))
        .map((column) => `quote("${String(column['name'])}")`)
      return database
        .prepare(`select ${columns.join(` || ', ' || `)} as line from "${String(name)}"`)
        .all()
        .map(({ line }) => `insert into ${String(name)} values (${String(line)});`)
    })
  const { user_version } = { ...database.prepare('pragma user_version').get() }
  return [
    ...objects.map(({ sql }) => `${String(sql)};`),
    ...inserts,
    `pragma user_version = ${String(user_version)};`,
    '',
  ].join('\n')
}

async function ofPostgres(code: string, settings: Settings, server: string): Promise<string> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    await using database = await createDatabase(server)
    const { url } = database
    // As a service with Kafka leaves partitions behind; the start without it closes them.
    const open = `select open_partitions('clicks', '7fbbc2b5-6f0d-4a43-9d25-bd2ca9ff8bc7', '{0,0}', '{0,0}')`
    await live(code, { ...settings, DATABASE_URL: url }, async () => void (await runSql(url, open)))
    if ((await runSql(url, 'select 1 from unmerged_deltas limit 1')).length === 0) continue
    const file = join(work, 'dump.sql')
    await runTool('pg_dump', ['--inserts', '--no-owner', `--file=${file}`, `--dbname=${url}`])
    // Commands of psql alone, and settings that a version may not know.
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !/^(?:\\|SET (?!check_function)|--)/.test(line))
      .join('\n')
  }
  throw new Error('everything was merged each time')
}
