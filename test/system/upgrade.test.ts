// The database of the release before this one, under this one; and one that is newer than this one.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { jsonOf } from '../support/app.ts'
import { contentsOf, sumOf } from '../support/contents.ts'
import { nameOf, storeOf } from '../support/copies.ts'
import { createDatabase, runSql } from '../support/database.ts'
import { runInStore } from '../support/past.ts'
import { createPreviousPlace } from '../support/previous-release.ts'
import { runCommand, startService, totalOf, type Service } from '../support/service.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

/** The keys of the fixture are older each day: ten years are the most that the service takes. */
const SETTINGS = { LOG_LEVEL: 'error', KEY_RETENTION_HOURS: '87600' }
/** In it: 20 clicks on banner 1, half of them not merged, 10 with keys on 2, and 8 imported for 7. */
const CLICKS = 38

async function send(service: Service, bannerId: number, key?: string): Promise<number> {
  const answer = await fetch(`${service.origin}/counter/${bannerId}`, {
    method: 'POST',
    headers: key === undefined ? {} : { 'idempotency-key': key },
  })
  await answer.arrayBuffer()
  return answer.status
}

async function change(service: Service, method: 'POST' | 'PATCH', path: string, body: string) {
  const answer = await fetch(`${service.origin}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body,
  })
  return await jsonOf(answer)
}

for (const shape of SHAPES) {
  test(`O24: this release starts on the database of the one before in ${shape}: totals, keys and banners stay, and it counts on`, async () => {
    await using place = await createPreviousPlace(shape)
    const settings = { ...SETTINGS, ...place.settings }
    const doctor = await runCommand(place.folder, ['doctor'], settings)
    assert.match(doctor.stdout, /^warn {2}schema +\d, and this version needs \d$/m)
    {
      await using service = await startService(settings)
      assert.equal(await totalOf(service.origin), CLICKS, service.output())
      const { banners } = await jsonOf(await fetch(`${service.origin}/banners?archived=true`))
      assert.deepEqual(
        (banners as { id: number; name: string; url: string | null; status: string }[]).map(
          ({ id, name, url, status }) => [id, name, url, status],
        ),
        [
          [1, 'Winter coats', 'https://shop.example/', 'active'],
          [2, 'Gloves', null, 'archived'],
          [3, 'Scarves', null, 'paused'],
          [4, 'Given by the service', null, 'active'],
          [7, 'Banner 7', null, 'active'],
        ],
      )
      assert.equal(await send(service, 2), 410)
      await change(service, 'PATCH', '/banners/2', '{"status":"active"}')
      for (let key = 1; key <= 11; key += 1) {
        assert.equal(await send(service, 2, `key-${key}`), 200)
      }
      assert.equal(await totalOf(service.origin), CLICKS + 1, 'ten keys are known')
      assert.equal(await send(service, 1), 200)
      const added = await change(service, 'POST', '/banners', '{"name":"New"}')
      assert.equal(added['id'], 5)
      assert.equal(await totalOf(service.origin), CLICKS + 2)
      assert.equal(await service.stop(), 0, service.output())
    }
    const { minutes, quarters, days } = await contentsOf(nameOf(place))
    for (const counts of [minutes, quarters, days]) assert.equal(sumOf(counts), CLICKS + 2)
  })

  test(`O24: what the release before has imported in ${shape} is not imported again`, async () => {
    await using place = await createPreviousPlace(shape)
    await using original = await createDatabase()
    await runSql(
      original.url,
      `create table banner_stats (banner_id bigint, hour_timestamp timestamptz, counts jsonb);
       insert into banner_stats values (7, '2024-12-10 12:00:00Z', '{"0": 3, "15": 5, "59": 1}')`,
    )
    assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
    const { stdout } = await runCommand(place.folder, ['import', '--original'], {
      ...place.settings,
      ORIGINAL_DATABASE_URL: original.url,
    })
    assert.match(stdout, /^Added 1 click in 1 minute; 2 minutes had been imported before\.$/m)
  })

  test(`O24: an upgraded database in ${shape} has the schema of a new one`, async () => {
    await using place = await createPreviousPlace(shape)
    await using fresh = await createPlace(shape)
    for (const each of [place, fresh]) {
      assert.equal((await runCommand(each.folder, ['migrate'], each.settings)).exitCode, 0)
    }
    const [upgraded, made] = [await schemaOf(place), await schemaOf(fresh)]
    // Not assert.deepEqual of both: it would print all of them.
    const unlike = [
      ...upgraded.filter((line) => !made.includes(line)),
      ...made.filter((line) => !upgraded.includes(line)),
    ]
    assert.deepEqual(unlike, [])
  })

  test(`O24: the way back that is documented for ${shape} leaves the schema of the release before, and all counts`, async () => {
    await using place = await createPreviousPlace(shape)
    const before = { schema: await schemaOf(place), contents: await contentsOf(nameOf(place)) }
    assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
    await runInStore(storeOf(place), wayBack(shape))
    assert.deepEqual(await schemaOf(place), before.schema)
    assert.deepEqual(await contentsOf(nameOf(place)), before.contents)
    // And forth again.
    const { exitCode, stdout } = await runCommand(place.folder, ['migrate'], place.settings)
    assert.equal(exitCode, 0)
    assert.match(stdout, /^Applied /)
  })

  test(`O24: an older release says that the database in ${shape} is newer, and leaves it alone`, async () => {
    await using place = await createPlace(shape)
    assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
    await makeNewer(place)
    const files = readdirSync(`sql/${shape.toLowerCase()}`).length
    const before = await contentsOf(nameOf(place))
    for (const args of [[], ['migrate'], ['banners', 'list']]) {
      const { exitCode, stdout, stderr } = await runCommand(place.folder, args, {
        ...SETTINGS,
        ...place.settings,
        PORT: '0',
      })
      assert.deepEqual([exitCode, stdout], [1, ''], args.join(' '))
      assert.equal(
        stderr,
        `tallymark: The database has schema 99, this Tallymark knows ${files}: it was written by a newer version. Start that version, or restore a backup from before the upgrade.\n`,
      )
    }
    assert.deepEqual(await contentsOf(nameOf(place)), before)
  })
}

test('O24: a process that is at work goes on when a newer release migrates beneath it, and cannot be started again', async () => {
  await using place = await createPlace('Postgres')
  const settings = { ...SETTINGS, ...place.settings }
  await using service = await startService(settings)
  assert.equal(await send(service, 1, 'before'), 200)
  await makeNewer(place)
  assert.equal(await send(service, 1, 'before'), 200)
  assert.equal(await send(service, 1, 'after'), 200)
  assert.equal(await totalOf(service.origin), 2)
  assert.equal(await service.stop(), 0, service.output())
  await assert.rejects(startService(settings), /it was written by a newer version/)
})

/** Makes the database one of a later release, with a table that this one does not know. */
async function makeNewer({ dataFolder, settings }: TestPlace): Promise<void> {
  if (dataFolder === undefined) {
    await runSql(
      String(settings['DATABASE_URL']),
      `create table later (id integer); insert into schema_versions (version, name) values (99, 'later')`,
    )
    return
  }
  using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
  database.exec('create table later (id integer); pragma user_version = 99')
}

/** The statements of docs/operations.md, as they are written there. */
function wayBack(shape: (typeof SHAPES)[number]): string {
  const [, section = ''] = readFileSync('docs/operations.md', 'utf8').split(
    '### Back to the release before',
  )
  const [postgres, sqlite] = [...section.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, sql]) => sql)
  assert.ok(postgres !== undefined && sqlite !== undefined)
  return shape === 'Postgres' ? postgres : sqlite
}

/** Tables, columns, indexes and functions, whatever their order. */
async function schemaOf({ dataFolder, settings }: TestPlace): Promise<readonly string[]> {
  if (dataFolder === undefined) {
    const rows = await runSql(
      String(settings['DATABASE_URL']),
      `select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
       from information_schema.columns where table_schema = 'public'
       union all select indexdef from pg_indexes where schemaname = 'public'
       union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint
         where connamespace = 'public'::regnamespace
       union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
       order by 1`,
    )
    return rows.map(({ line }) => String(line))
  }
  using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
  return database
    .prepare('select lower(sql) as line from sqlite_schema where sql is not null order by 1')
    .all()
    .map(({ line }) => String(line))
}
