// What `tallymark copy` refuses, and what it says then.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startTestApp } from '../support/app.ts'
import { contentsOf } from '../support/contents.ts'
import { QUIET, nameOf, storeOf, copy, copied, addBanner, fill, MOVES } from '../support/copies.ts'
import { hold, runSql } from '../support/database.ts'
import { runInStore } from '../support/past.ts'
import { runCommand } from '../support/service.ts'
import { createPlace, type TestPlace } from '../support/shapes.ts'

test('O22: where the ends differ it says where, and fails', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  await copied(from, to)
  await runSql(nameOf(to), 'update day_counts set count = 7 where banner_id = 8')
  const less = await copy(from, to)
  assert.equal(less.exitCode, 1)
  assert.match(less.stdout, /the source has 100016 clicks, the target 23\.$/m)
  assert.match(
    less.stderr,
    /^tallymark: The two ends differ\..*\n {2}- banner 8, 2024-12-31: the target answers 7, not 100000\n$/,
  )
  // A source that went back to a backup has fewer than came from it.
  await runSql(nameOf(to), 'update day_counts set count = 100000 where banner_id = 8')
  await runInStore(
    storeOf(from),
    `update minute_counts set count = 1 where banner_id = 8; update day_counts set count = 1 where banner_id = 8;
     update quarter_counts set count = 1 where banner_id = 8`,
  )
  const back = await copy(from, to)
  assert.equal(back.exitCode, 1)
  assert.match(
    back.stderr,
    /- banner 8, 2024-12-31: the source has counted 1, of which 100000 are copied\n$/,
  )
})

test('O22: another banner under the same id is an error before anything is written', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  {
    await using app = await startTestApp({ ...QUIET, ...to.settings })
    assert.equal(await addBanner(app.origin, 'Of the target'), 10)
  }
  const before = await contentsOf(nameOf(to))
  const { exitCode, stdout, stderr } = await copy(from, to)
  assert.deepEqual([exitCode, stdout], [1, ''])
  assert.equal(
    stderr,
    'tallymark: Nothing was copied: the target has other banners with these ids, with another name or URL: 10. Change them at one end, or name another target.\n',
  )
  assert.deepEqual(await contentsOf(nameOf(to)), before)
})

test('O22: a source or target that will not do is a sentence', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  const failed = async (args: readonly string[], settings: Record<string, string> = {}) => {
    const ended = await runCommand(from.folder, ['copy', ...args], settings)
    assert.equal(ended.stdout, '')
    return [ended.exitCode, ended.stderr.replace(/^tallymark: /, '').trimEnd()] as const
  }
  const source = ['--from', nameOf(from)]
  assert.deepEqual(await failed([...source, '--to', `${nameOf(from)}/`]), [
    2,
    'source and target are the same; see tallymark help copy',
  ])
  const again = nameOf(to).replace('127.0.0.1', 'localhost')
  assert.deepEqual(await failed(['--from', nameOf(to), '--to', again]), [
    1,
    `At the source: ${labelOf(nameOf(to))} has no tables of Tallymark yet; start the service once.`,
  ])
  assert.deepEqual(await failed(['--from', '/nowhere/at/all', '--to', nameOf(to)]), [
    1,
    'At the source: There is no database in /nowhere/at/all yet; start the service once.',
  ])
  assert.deepEqual(await failed(['--from', 'data', '--to', 'postgresql://127.0.0.1:1/x']), [
    1,
    'The target is away: connect ECONNREFUSED 127.0.0.1:1.',
  ])
  assert.deepEqual(await failed([]), [
    2,
    'copy needs --from or --to; the other one is the store of the settings; see tallymark help copy',
  ])
  const [code, wrong] = await failed([...source, '--to', 'mysql://me:Geheimnis@db/x'])
  assert.equal(code, 2)
  assert.match(wrong, /^--to must be postgresql:\/\//)
  assert.doesNotMatch(wrong, /Geheimnis/)
  assert.deepEqual(await failed([...source, '--to-file', '/nowhere']), [
    2,
    'The URL of --to-file is in a file that cannot be read: no such file or directory.',
  ])
  await copied(from, to)
  const clone = { ...from.settings, DATA_DIR: join(from.folder, 'restored') }
  assert.equal((await runCommand(from.folder, ['backup', 'file'], from.settings)).exitCode, 0)
  mkdirSync(clone.DATA_DIR)
  renameSync(join(from.folder, 'file'), join(clone.DATA_DIR, 'tallymark.sqlite'))
  const [, same] = await failed(['--from', clone.DATA_DIR], from.settings)
  assert.match(same, /^Source and target are the same installation, or one was made of a backup/)
  await using app = await startTestApp({ ...QUIET, ...from.settings })
  const [, busy] = await failed(['--from', nameOf(to), '--to', nameOf(from)])
  assert.equal(
    busy,
    `At the target: DATA_DIR ${nameOf(from)} is in use by another Tallymark. Stop that one, or set another DATA_DIR.`,
  )
  assert.ok(app.origin)
})

for (const [shape, other] of MOVES) {
  test(`O22: a source in ${shape} of another schema is refused, and so is a target`, async () => {
    await using from = await createPlace(shape)
    await using to = await createPlace(other === shape ? 'SQLite' : other)
    for (const place of [from, to]) {
      assert.equal((await runCommand(place.folder, ['migrate'], place.settings)).exitCode, 0)
    }
    await setVersion(from, 99)
    const newer = await copy(from, to)
    assert.equal(newer.exitCode, 1)
    assert.match(
      newer.stderr,
      /^tallymark: At the source: The database has schema 99, this Tallymark knows \d: /,
    )
    const back = await copy(to, from)
    assert.match(
      back.stderr,
      /^tallymark: At the target: The database has schema 99, this Tallymark knows \d: /,
    )
    await setVersion(from, 1)
    const older = await copy(from, to)
    assert.equal(older.exitCode, 1)
    assert.match(
      older.stderr,
      /^tallymark: At the source: The database has schema 1, this Tallymark needs \d: stop the service, and run "tallymark migrate"\.$/m,
    )
  })
}

async function setVersion(place: TestPlace, version: number): Promise<void> {
  if (place.dataFolder === undefined) {
    await runSql(
      nameOf(place),
      `delete from schema_versions where version > ${version};
       insert into schema_versions (version, name) values (${version}, 'other') on conflict do nothing`,
    )
    return
  }
  using database = new DatabaseSync(join(place.dataFolder, 'tallymark.sqlite'))
  database.exec(`pragma user_version = ${version}`)
}

test('O22: a URL may stand in a file or in the settings; in an argument its password is shown to all', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  const file = join(from.folder, 'url')
  writeFileSync(file, `${nameOf(to)}\n`)
  const run = (args: readonly string[], settings: Record<string, string> = {}) =>
    runCommand(from.folder, ['copy', ...args], settings)
  const named = await run(['--from', 'data', '--to-file', file])
  assert.deepEqual([named.exitCode, named.stderr], [0, ''])
  const set = await run(['--from', 'data'], { DATABASE_URL_FILE: file })
  assert.deepEqual([set.exitCode, set.stderr], [0, ''])
  const back = await run(['--from-file', file, '--to', 'other'])
  assert.deepEqual([back.exitCode, back.stderr], [0, ''])
  assert.ok(existsSync(join(from.folder, 'other/tallymark.sqlite')))
  const own = await run(['--to', 'mine'], from.settings)
  assert.deepEqual([own.exitCode, own.stderr], [0, ''])
  const url = new URL(nameOf(to))
  url.password = 'Geheimnis'
  const shown = await run(['--from', 'data', '--to', url.href])
  assert.equal(shown.exitCode, 0)
  assert.equal(
    shown.stderr,
    'tallymark: everybody on this machine can read the password in --to; put the URL into a file, and name that by --to-file\n',
  )
  const both = await run(['--to', 'mine', '--to-file', file])
  assert.match(both.stderr, /--to and --to-file are given; leave out one/)
})

test('O22: a banner that is registered while a copy is on its way is not overwritten', async () => {
  await using from = await createPlace('SQLite')
  await using to = await createPlace('Postgres')
  await fill(from)
  assert.equal((await runCommand(to.folder, ['migrate'], to.settings)).exitCode, 0)
  await using registering = await hold(
    nameOf(to),
    `update registry set version = version + 1;
     insert into banners values (7, 'Quicker', null, 'active', 0, 1)`,
  )
  const copying = copy(from, to)
  await registering.waiting('registry', 1)
  await registering.free()
  const { exitCode, stderr } = await copying
  assert.equal(exitCode, 1)
  assert.equal(stderr, 'tallymark: Banner 7 was registered meanwhile. Run the copy again.\n')
  assert.deepEqual((await contentsOf(nameOf(to))).banners, ['7|Quicker||active|0'])
})

function labelOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `Postgres at ${host}${pathname}`
}
