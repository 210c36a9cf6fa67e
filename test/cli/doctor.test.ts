// `tallymark doctor`: a verdict for each thing that can be wrong, and nothing is changed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, after, test } from 'node:test'
import { nodeCheck } from '../../src/cli/doctor.ts'
import { clocksCheck, serverChecks } from '../../src/store/postgres/inspect.ts'
import { diskCheck, fileSystemCheck } from '../../src/store/sqlite/inspect.ts'
import { createDatabase, runSql } from '../support/database.ts'
import { NEEDS_KAFKA, sharedBrokers } from '../support/topic.ts'
import { createTopic, topicAt } from '../support/kafka-topics.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'
import { runCommand, startService, temporaryFolder } from '../support/service.ts'
import { createPlace } from '../support/shapes.ts'

const GIB = 1024 ** 3

interface Examined {
  readonly exitCode: number | null
  /** The verdict of each check. */
  readonly verdicts: Readonly<Record<string, string>>
  readonly stdout: string
}

async function examine(folder: string, settings: Record<string, string>): Promise<Examined> {
  const { exitCode, stdout, stderr } = await runCommand(folder, ['doctor'], settings)
  assert.equal(stderr, '')
  const lines = [...stdout.matchAll(/^(ok|warn|FAIL) +(\S+(?: \S+)?)  /gm)]
  const verdicts = Object.fromEntries(lines.map(([, verdict = '', name = '']) => [name, verdict]))
  const remedies = stdout.match(/^ +-> \S.*$/gm) ?? []
  const mendable = Object.values(verdicts).filter((verdict) => verdict !== 'ok')
  assert.equal(remedies.length, mendable.length, `what to do stands below each:\n${stdout}`)
  return { exitCode, verdicts, stdout }
}

/** What is in a folder, but for the memory that SQLite's processes share. */
function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    files.map((path) => {
      const isShared = path.endsWith('-shm')
      const bytes = isShared ? '' : readFileSync(path)
      return [path, createHash('sha256').update(bytes).digest('hex')]
    }),
  )
}

test('SQLite: before the first start all is well, and none of it is made', async () => {
  await using place = await createPlace('SQLite')
  const { exitCode, verdicts, stdout } = await examine(place.folder, place.settings)
  assert.equal(exitCode, 0, stdout)
  assert.deepEqual(Object.keys(verdicts), [
    'configuration',
    'node',
    'folder',
    'file system',
    'disk',
    'broker',
  ])
  assert.match(stdout, /^ok {4}folder {9}\S+data does not exist yet; the first start makes it$/m)
  assert.deepEqual(readdirSync(place.folder), [])
})

test('O13: beside a service, after kill -9 and after a stop it says so, and changes nothing', async () => {
  await using place = await createPlace('SQLite')
  const examined = async () => {
    const content = contentOf(place.folder)
    const { exitCode, verdicts, stdout } = await examine(place.folder, place.settings)
    assert.deepEqual(contentOf(place.folder), content)
    assert.equal(exitCode, 0, stdout)
    for (const name of ['configuration', 'node', 'folder', 'schema', 'durability', 'database']) {
      assert.equal(verdicts[name], 'ok', stdout)
    }
    assert.match(stdout, /^ok {4}schema {9}up to date \(\d\)$/m)
    assert.match(stdout, /^ok {4}database {7}\S+ MiB, and no damage found$/m)
    return stdout
  }
  {
    await using service = await startService(place.settings)
    assert.match(await examined(), /^ok {4}service {8}one is at work on the folder$/m)
    await fetch(`${service.origin}/counter/1`)
    await service.kill()
  }
  assert.match(await examined(), /^ok {4}service {8}none is at work on the folder$/m)
  await using service = await startService(place.settings)
  assert.equal(await service.stop(), 0)
  assert.ok(!existsSync(join(String(place.dataFolder), 'tallymark.sqlite-wal')))
  assert.match(await examined(), /^ok {4}service {8}none is at work on the folder$/m)
})

test('SQLite: an older schema is a warning, a newer one fails', async () => {
  await using place = await createPlace('SQLite')
  await runCommand(place.folder, ['migrate'], place.settings)
  const withVersion = (version: number) => {
    using database = new DatabaseSync(join(String(place.dataFolder), 'tallymark.sqlite'))
    database.exec(`pragma user_version = ${version}`)
    return examine(place.folder, place.settings)
  }
  const older = await withVersion(1)
  assert.deepEqual([older.exitCode, older.verdicts['schema']], [0, 'warn'])
  assert.match(older.stdout, /-> stop the service, and run "tallymark migrate"$/m)
  const newer = await withVersion(99)
  assert.deepEqual([newer.exitCode, newer.verdicts['schema']], [1, 'FAIL'])
  assert.match(newer.stdout, /^FAIL {2}schema {9}99, of a newer version; this one knows \d$/m)
})

test('SQLite: a database without write-ahead log is a warning', async () => {
  await using place = await createPlace('SQLite')
  await runCommand(place.folder, ['migrate'], place.settings)
  {
    using database = new DatabaseSync(join(String(place.dataFolder), 'tallymark.sqlite'))
    database.exec('pragma journal_mode = delete')
  }
  const { exitCode, verdicts } = await examine(place.folder, place.settings)
  assert.deepEqual([exitCode, verdicts['durability']], [0, 'warn'])
})

test('SQLite: a damaged file and one that is no database fail', async () => {
  await using place = await createPlace('SQLite')
  await runCommand(place.folder, ['migrate'], place.settings)
  const file = join(String(place.dataFolder), 'tallymark.sqlite')
  const bytes = readFileSync(file)
  bytes.fill(0xff, 3 * 4_096, 4 * 4_096)
  writeFileSync(file, bytes)
  const damaged = await examine(place.folder, place.settings)
  assert.deepEqual([damaged.exitCode, damaged.verdicts['database']], [1, 'FAIL'], damaged.stdout)
  writeFileSync(file, 'some text, and more of it'.repeat(1_000))
  const none = await examine(place.folder, place.settings)
  assert.deepEqual([none.exitCode, none.verdicts['database']], [1, 'FAIL'])
  assert.match(none.stdout, /^FAIL {2}database {7}.*tallymark\.sqlite: file is not a database$/m)
  assert.match(
    none.stdout,
    /-> stop the service, keep a copy of the folder, and restore a backup$/m,
  )
})

test('SQLite: a file in place of the folder fails', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'data'), '')
  const taken = await examine(folder.path, {})
  assert.deepEqual([taken.exitCode, taken.verdicts['folder']], [1, 'FAIL'])
  const below = await examine(folder.path, { DATA_DIR: 'data/deeper' })
  assert.deepEqual([below.exitCode, below.verdicts['folder']], [1, 'FAIL'])
})

test('wrong settings are the first line, all of them, with exit code 2', async () => {
  using folder = temporaryFolder()
  const settings = { PORT: 'http', WAITING_MAX: '0', ADMIN_TOKEN: 'secret' }
  const { exitCode, stdout, stderr } = await runCommand(folder.path, ['doctor'], settings)
  assert.deepEqual([exitCode, stderr], [2, ''])
  assert.equal(
    stdout,
    `FAIL  configuration  The configuration is wrong:
  - PORT must be an integer from 0 to 65535; it is "http"
  - ADMIN_TOKEN must have at least 16 visible ASCII characters
  - WAITING_MAX must be an integer from 1 to 1000000; it is "0"
                     -> docs/configuration.md has all settings
`,
  )
  mkdirSync(join(folder.path, 'home'))
  writeFileSync(join(folder.path, 'home', '.env'), 'DATA_DIRR=here\nDATA_DIR=there\n')
  const misspelt = await examine(join(folder.path, 'home'), {})
  assert.equal(misspelt.exitCode, 0)
  assert.match(
    misspelt.stdout,
    /^ok {4}configuration {2}embedded SQLite in there, values from \S+\.env\nwarn {2}configuration {2}DATA_DIRR is no setting; did you mean DATA_DIR\?\n/,
  )
})

const PASSWORD = 'Geheimnis'
let server: PostgresServer
before(async () => {
  server = await startPostgres({ isDurable: true })
})
after(async () => {
  await server[Symbol.asyncDispose]()
})

test('Postgres: a durable server is well, before and after the first start', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase(server.url)
  const settings = { DATABASE_URL: database.url }
  const tables = () =>
    runSql(database.url, `select tablename from pg_tables where schemaname = 'public'`)
  const empty = await examine(folder.path, settings)
  assert.equal(empty.exitCode, 0, empty.stdout)
  assert.match(empty.stdout, /^ok {4}schema {9}no tables yet; the first start makes them$/m)
  assert.deepEqual(await tables(), [])

  await runCommand(folder.path, ['migrate'], settings)
  const { exitCode, verdicts, stdout } = await examine(folder.path, settings)
  assert.equal(exitCode, 0, stdout)
  assert.deepEqual(verdicts, {
    configuration: 'ok',
    node: 'ok',
    database: 'ok',
    version: 'ok',
    primary: 'ok',
    fsync: 'ok',
    'page writes': 'ok',
    commits: 'ok',
    connections: 'ok',
    schema: 'ok',
    rights: 'ok',
    instants: 'ok',
    'dead letters': 'ok',
    clock: 'ok',
    broker: 'ok',
    disk: 'ok',
  })
  assert.deepEqual(readdirSync(folder.path), [])
})

test('Postgres: dead letters that are kept are a warning, for as long as they are', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase(server.url)
  const settings = { DATABASE_URL: database.url }
  await runCommand(folder.path, ['migrate'], settings)
  await runSql(
    database.url,
    `insert into dead_letters (source, topic_id, position, found_at, reason, bytes)
    select 'clicks/0', gen_random_uuid(), position, 0, 'no click', ''
    from generate_series(1, 3) as position`,
  )
  const { exitCode, verdicts, stdout } = await examine(folder.path, settings)
  assert.deepEqual([exitCode, verdicts['dead letters']], [0, 'warn'], stdout)
  assert.match(
    stdout,
    /^warn {2}dead letters {3}3 records of the click log could not be counted\n +-> see why: tallymark dead-letters list$/m,
  )
  await runSql(database.url, 'delete from dead_letters')
  assert.equal((await examine(folder.path, settings)).verdicts['dead letters'], 'ok')
})

test(
  'Kafka: brokers and topic are examined, and where it was left before it was drained',
  NEEDS_KAFKA,
  async () => {
    using folder = temporaryFolder()
    await using database = await createDatabase(server.url)
    const options = topicAt()
    const postgres = { DATABASE_URL: database.url }
    const settings = {
      ...postgres,
      KAFKA_BROKERS: sharedBrokers(),
      KAFKA_TOPIC: options.topic,
      ROLE: 'api',
    }
    const empty = await examine(folder.path, settings)
    assert.deepEqual([empty.exitCode, empty.verdicts['topic']], [0, 'ok'], empty.stdout)
    assert.match(
      empty.stdout,
      /^ok {4}configuration {2}Kafka at \S+, topic \S+, role api, and Postgres at /,
    )
    assert.match(
      empty.stdout,
      /^ok {4}topic {10}\S+ will be created with 6 partitions, one copy of each$/m,
    )
    await runCommand(folder.path, ['migrate'], postgres)
    const topicId = await createTopic(options)
    await runSql(database.url, 'select open_partitions($1, $2, $3, $3)', [
      options.topic,
      topicId,
      [0, 0],
    ])
    const well = await examine(folder.path, settings)
    assert.equal(well.exitCode, 0, well.stdout)
    assert.match(well.stdout, /^ok {4}counted {8}drained: everything in the log is counted$/m)
    await runSql(
      database.url,
      `insert into members (id, role, seen)
     values ('00000000-0000-0000-0000-000000000001', 'api', shared_instant())`,
    )
    const left = await examine(folder.path, postgres)
    assert.deepEqual([left.exitCode, left.verdicts['broker']], [1, 'FAIL'], left.stdout)
    assert.match(
      left.stdout,
      /the click log that was is not counted to its end: a process puts clicks/,
    )
  },
)

test('O13: fsync = off fails, full_page_writes = off is a warning', async () => {
  using folder = temporaryFolder()
  await using fast = await startPostgres({ isDurable: false })
  const { exitCode, verdicts, stdout } = await examine(folder.path, { DATABASE_URL: fast.url })
  assert.equal(exitCode, 1)
  assert.deepEqual(
    [verdicts['fsync'], verdicts['page writes'], verdicts['commits']],
    ['FAIL', 'warn', 'ok'],
  )
  assert.match(stdout, /-> set fsync = on in postgresql\.conf, and restart Postgres$/m)
})

test('Postgres: older and newer schemas, and missing rights', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase(server.url)
  const owner = { DATABASE_URL: database.url }
  const role = `reader_${new URL(database.url).pathname.slice(1)}`
  // Up to Postgres 14 everybody could.
  await runSql(database.url, 'revoke create on schema public from public')
  await runSql(database.url, `create role ${role} login`)
  const url = new URL(database.url)
  url.username = role
  const reader = { DATABASE_URL: url.href }
  try {
    const nobody = await examine(folder.path, reader)
    assert.deepEqual([nobody.exitCode, nobody.verdicts['rights']], [1, 'FAIL'], nobody.stdout)
    assert.match(nobody.stdout, /-> grant create on schema public to reader_\w+$/m)
    await runSql(database.url, 'revoke usage on schema public from public')
    const homeless = await examine(folder.path, reader)
    assert.deepEqual([homeless.exitCode, homeless.verdicts['rights']], [1, 'FAIL'])
    assert.match(homeless.stdout, /-> grant usage, create on schema public to reader_\w+$/m)
    await runSql(database.url, 'grant usage on schema public to public')
    await runCommand(folder.path, ['migrate'], owner)
    const closed = await examine(folder.path, reader)
    assert.deepEqual([closed.exitCode, closed.verdicts['database']], [1, 'FAIL'], closed.stdout)
    await runSql(database.url, `grant select on all tables in schema public to ${role}`)
    const reads = await examine(folder.path, reader)
    assert.deepEqual([reads.exitCode, reads.verdicts['rights']], [1, 'FAIL'], reads.stdout)
    assert.match(reads.stdout, /may not read and write public\.banners, public\.day_counts, /)
    assert.match(reads.stdout, /-> grant select, insert, update, delete on all tables in schema/)
    await runSql(
      database.url,
      `grant insert, update, delete on all tables in schema public to ${role}`,
    )
    const writes = await examine(folder.path, reader)
    assert.deepEqual([writes.exitCode, writes.verdicts['rights']], [0, 'ok'], writes.stdout)

    await runSql(database.url, 'delete from schema_versions where version > 1')
    const older = await examine(folder.path, owner)
    assert.deepEqual([older.exitCode, older.verdicts['schema']], [0, 'warn'])
    await runSql(database.url, `insert into schema_versions (version, name) values (99, 'later')`)
    const newer = await examine(folder.path, owner)
    assert.deepEqual([newer.exitCode, newer.verdicts['schema']], [1, 'FAIL'])
  } finally {
    await runSql(database.url, `drop owned by ${role}; drop role ${role}`)
  }
})

test('O13: a Postgres that does not answer, or refuses, fails, and no line shows the password', async () => {
  using folder = temporaryFolder()
  const examineUrl = async (change: (url: URL) => void) => {
    const url = new URL(server.url)
    url.password = PASSWORD
    change(url)
    const { exitCode, verdicts, stdout } = await examine(folder.path, { DATABASE_URL: url.href })
    assert.deepEqual([exitCode, verdicts['database']], [1, 'FAIL'], stdout)
    assert.ok(!stdout.includes(PASSWORD), stdout)
    return stdout
  }
  assert.match(await examineUrl((url) => (url.port = '1')), /does not answer: connect ECONNREFUSED/)
  assert.match(await examineUrl((url) => (url.pathname = 'nowhere')), /has no such database/)
  assert.match(await examineUrl((url) => (url.username = 'nobody')), /refuses the user/)
  assert.match(
    await examineUrl((url) => (url.search = '?sslmode=require')),
    /offers no TLS .*\n +-> correct user, password, database and sslmode in DATABASE_URL/,
  )
})

test('Postgres: one that hangs fails in the end', async () => {
  using folder = temporaryFolder()
  server.freeze()
  try {
    const { exitCode, verdicts } = await examine(folder.path, { DATABASE_URL: server.url })
    assert.deepEqual([exitCode, verdicts['database']], [1, 'FAIL'])
  } finally {
    server.thaw()
  }
})

test('what no server here is like has its verdict, too', () => {
  const well = {
    version: 140_000,
    version_name: '14.0',
    is_standby: false,
    is_read_only: false,
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    connections_max: 100,
    connections_taken: 90,
  }
  const troubles = (change: Partial<Record<keyof typeof well, unknown>>) =>
    serverChecks({ ...well, ...change })
      .filter(({ verdict }) => verdict !== 'ok')
      .map(({ name, verdict }) => `${name} ${verdict}`)
  assert.deepEqual(troubles({}), [])
  assert.deepEqual(troubles({ version: 130_022 }), ['version FAIL'])
  assert.deepEqual(troubles({ is_standby: true, is_read_only: true }), ['primary FAIL'])
  assert.deepEqual(troubles({ is_read_only: true }), ['primary FAIL'])
  assert.deepEqual(troubles({ fsync: 'off' }), ['fsync FAIL'])
  assert.deepEqual(troubles({ full_page_writes: 'off' }), ['page writes warn'])
  assert.deepEqual(troubles({ synchronous_commit: 'off' }), ['commits FAIL'])
  assert.deepEqual(troubles({ connections_taken: 91 }), ['connections warn'])
})

test('clocks, disks and Node.js have their limits', () => {
  const apart = (instant: number) => clocksCheck(instant, 10_000, 10_400).verdict
  assert.deepEqual([8_999, 9_000, 10_200, 11_400, 11_401].map(apart), [
    'warn',
    'ok',
    'ok',
    'ok',
    'warn',
  ])
  const free = (gib: number) => diskCheck(gib * GIB).verdict
  assert.deepEqual([1, 0.99, 0.1, 0.09].map(free), ['ok', 'warn', 'warn', 'FAIL'])
  const verdictOf = (type: number, platform: NodeJS.Platform = 'linux') =>
    fileSystemCheck(type, platform).verdict
  assert.deepEqual(
    [0xef53, 0x6969, 0xff534d42, 0x01021994].map((type) => verdictOf(type)),
    ['ok', 'warn', 'warn', 'warn'],
  )
  assert.equal(verdictOf(0x6969, 'darwin'), 'ok')
  assert.deepEqual(
    ['24.12.0', '25.0.0', '24.11.1', '22.22.2'].map((each) => nodeCheck(each).verdict),
    ['ok', 'ok', 'FAIL', 'FAIL'],
  )
})
