import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { runSql } from '../support/database.ts'
import { runCommand, startService, temporaryFolder } from '../support/service.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

function filesOf(shape: (typeof SHAPES)[number]): string[] {
  return readdirSync(`sql/${shape.toLowerCase()}`).toSorted()
}

/** Makes the database one of a version that is far ahead. */
async function makeNewer({ dataFolder, settings }: TestPlace): Promise<void> {
  if (dataFolder === undefined) {
    await runSql(
      String(settings['DATABASE_URL']),
      `insert into schema_versions (version, name) values (99, 'later')`,
    )
  } else {
    using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
    database.exec('pragma user_version = 99')
  }
}

for (const shape of SHAPES) {
  test(`${shape}: migrate says what it applied, and the second time that all is well`, async () => {
    await using place = await createPlace(shape)
    const migrate = () => runCommand(place.folder, ['migrate'], place.settings)
    const files = filesOf(shape)
    const upToDate = `The schema is up to date (${files.length}).\n`
    const applied = files.map((name) => `Applied ${name}.\n`).join('')
    assert.deepEqual(await migrate(), { exitCode: 0, stdout: applied + upToDate, stderr: '' })
    assert.deepEqual(await migrate(), { exitCode: 0, stdout: upToDate, stderr: '' })
    await using service = await startService(place.settings)
    assert.equal(await service.stop(), 0, service.output())
    assert.match(service.output(), /loaded 100 banners/, 'the first start is still the first')
  })

  test(`${shape}: migrate refuses the database of a newer version`, async () => {
    await using place = await createPlace(shape)
    const migrate = () => runCommand(place.folder, ['migrate'], place.settings)
    await migrate()
    await makeNewer(place)
    const { exitCode, stdout, stderr } = await migrate()
    assert.deepEqual([exitCode, stdout], [1, ''])
    assert.match(stderr, /^tallymark: The database has schema 99, this Tallymark knows \d:.*\.\n$/)
  })
}

test('migrate leaves a folder alone that a service is at work on', async () => {
  using folder = temporaryFolder()
  await using service = await startService({ DATA_DIR: folder.path })
  const ended = await runCommand(folder.path, ['migrate'], { DATA_DIR: folder.path })
  assert.deepEqual(ended, {
    exitCode: 1,
    stdout: '',
    stderr: `tallymark: DATA_DIR ${folder.path} is in use by another Tallymark. Stop that one, or set another DATA_DIR.\n`,
  })
  assert.equal(await service.stop(), 0)
})

test('Postgres: once migrated, the service’s own role need not be one that may create tables', async () => {
  await using place = await createPlace('Postgres')
  const url = new URL(String(place.settings['DATABASE_URL']))
  assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
  const role = `service_of_${url.pathname.slice(1)}`
  await runSql(
    url.href,
    `revoke create on schema public from public;
     create role ${role} login;
     grant select, insert, update, delete on all tables in schema public to ${role}`,
  )
  try {
    const own = new URL(url)
    own.username = role
    await using service = await startService({ DATABASE_URL: own.href })
    const answer = await fetch(`${service.origin}/counter/1`)
    assert.equal(answer.status, 200, service.output())
    assert.equal(await service.stop(), 0, service.output())
  } finally {
    await runSql(url.href, `drop owned by ${role}; drop role ${role}`)
  }
})

test('what the driver would take from PG* of the environment is not asked', async () => {
  await using place = await createPlace('Postgres')
  const { exitCode, stderr } = await runCommand(place.folder, ['migrate'], {
    ...place.settings,
    PGHOST: '/nowhere',
    PGPORT: '1',
    PGUSER: 'nobody',
    PGPASSWORD: 'wrong',
    PGDATABASE: 'nowhere',
    PGSSLMODE: 'require',
    PGOPTIONS: '-c default_transaction_read_only=on',
    PGREPLICATION: 'true',
  })
  assert.deepEqual([exitCode, stderr], [0, ''])
})

test('what migrate cannot do is a sentence, and no secret is in it', async () => {
  using folder = temporaryFolder()
  const failed = async (settings: Record<string, string>) => {
    const { exitCode, stdout, stderr } = await runCommand(folder.path, ['migrate'], settings)
    assert.deepEqual([exitCode, stdout], [1, ''], stderr)
    return stderr
  }
  writeFileSync(
    join(folder.path, 'tallymark.sqlite'),
    'no database at all, but some text'.repeat(99),
  )
  assert.equal(
    await failed({ DATA_DIR: folder.path }),
    `tallymark: The database in ${folder.path} cannot be used: file is not a database.\n`,
  )
  assert.match(
    await failed({ DATABASE_URL: 'postgresql://me:Geheimnis@127.0.0.1:1/clicks' }),
    /^tallymark: The store is away: connect ECONNREFUSED 127\.0\.0\.1:1\.\n$/,
  )
  assert.match(
    await failed({ DATABASE_URL: String(process.env['TEST_PG_URL']).replace(/\w+$/, 'nowhere') }),
    /^tallymark: Postgres at .*\/nowhere has no such database \(.*\)\.\n$/,
  )
})
