// `tallymark stats` on real stores, beside a service and without one.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { inEachShape, type TestApp } from '../support/app.ts'
import { runSql } from '../support/database.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { insertPast } from '../support/past.ts'
import { runCommand, startService, temporaryFolder } from '../support/service.ts'
import { createPlace, SHAPES, type TestPlace } from '../support/shapes.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

/** Of both bodies, what the time of the question does not change. */
function timeless(body: string): string {
  return body.replace(/"completeUntil":"[^"]+"/, '')
}

inEachShape((start) => {
  let app: TestApp
  let settings: Record<string, string>
  const folder = temporaryFolder()
  before(async () => {
    app = await start()
    settings =
      app.store.kind === 'sqlite' ? { DATA_DIR: app.store.folder } : { DATABASE_URL: app.store.url }
    await insertPast(app, [
      [42, '2024-12-10T12:56:00Z', 1],
      [42, '2024-12-10T12:57:00Z', 2],
      [42, '2024-12-31T23:30:00Z', 7],
    ])
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  async function stats(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await runCommand(folder.path, ['stats', ...args], settings)
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' }, args.join(' '))
    return stdout
  }

  test('O10: --json and --csv are the bodies that the service answers with', async () => {
    const day = ['--from', '2024-12-10T00:00:00Z', '--to', '2024-12-11T00:00:00Z']
    const query = 'tsFrom=2024-12-10T00:00:00Z&tsTo=2024-12-11T00:00:00Z'
    for (const [args, asked] of [
      [['42', ...day], `42?${query}`],
      [['7', ...day], `7?${query}`],
      [['42', ...day, '--step=hour', '--fill=zero'], `42?${query}&step=hour&fill=zero`],
      [
        ['42', '--from', '1733000000', '--to=1736000000', '--step', 'month', '--tz=europe/berlin'],
        '42?tsFrom=1733000000&tsTo=1736000000&step=month&tz=Europe/Berlin',
      ],
    ] as const) {
      for (const format of ['json', 'csv']) {
        const answer = await fetch(`${app.origin}/stats/${asked}&format=${format}`)
        assert.equal(timeless(await stats(...args, `--${format}`)), timeless(await answer.text()))
      }
    }
  })

  test('O10: piped it is plain text', async () => {
    assert.match(
      await stats('42', '--from=2024-12-10T12:00:00Z', '--to=2024-12-10T18:00:00Z'),
      /^Banner 42: Banner 42\n2024-12-10T12:00:00Z to 2024-12-10T18:00:00Z by minute, UTC\n\n2024-12-10T12:56:00Z {2}1\n2024-12-10T12:57:00Z {2}2\n\ntotal 3\ncomplete until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n$/,
    )
  })

  test('without a range it shows the last hour, which can still change', async () => {
    const clicked = await fetch(`${app.origin}/counter/9`, { method: 'POST' })
    assert.equal(clicked.status, 200)
    await app.counted()
    const text = await stats('9')
    assert.match(text, /^total 1\ncomplete until .*Z; this can still change\n$/m)
    const [, from = '', to = ''] = /^(\S+) to (\S+) by minute, UTC$/m.exec(text) ?? []
    const minutes = (Date.parse(to) - Date.parse(from)) / 60_000
    assert.ok(minutes === 60 || minutes === 61, `${minutes} minutes`)
  })

  test('what the service refuses as a question is wrong usage, in the words of options', async () => {
    for (const [args, sentence] of [
      [[], '<banner> is missing'],
      [['1', '2'], 'unexpected argument "2"'],
      [['01'], '"01" is not a banner id, an integer from 1 to 2147483647'],
      [['1', '--json', '--csv'], '--json and --csv exclude each other'],
      [['1', '--format', 'csv'], "unknown option '--format'"],
      [['1', '--step', 'year'], '--step must be one of minute, hour, day, week, month'],
      [
        ['1', '--tz', 'Mars', '--fill=1'],
        '--tz must be the IANA name of a time zone, for instance Europe/Berlin; --fill must be one of none, zero',
      ],
      [['1', '--from', '9', '--to', '9'], '--from must be before --to'],
      [['1', '--from', '2100-01-01T00:00:00Z'], '--from must be before --to'],
      [
        ['1', '--from', '0', '--to=6000060'],
        'The range has more than 100000 steps, which are the most that are answered at once: ask for a shorter range or a longer step',
      ],
    ] as const) {
      const ended = await runCommand(folder.path, ['stats', ...args], settings)
      const stderr = `tallymark: ${sentence}; see tallymark help stats\n`
      assert.deepEqual(ended, { exitCode: 2, stdout: '', stderr })
    }
    const bad = await runCommand(folder.path, ['stats', '1', '--from=yesterday'], settings)
    assert.equal(bad.exitCode, 2)
    assert.match(bad.stderr, /^tallymark: --from must be an RFC 3339 time .* see tallymark help/)
  })

  test('an unknown banner is a failure', async () => {
    assert.deepEqual(await runCommand(folder.path, ['stats', '2147483647'], settings), {
      exitCode: 1,
      stdout: '',
      stderr: 'tallymark: There is no banner 2147483647.\n',
    })
  })

  test('I8: beside the service it has every acknowledged click', async () => {
    const result = emptyResult()
    let left = 2_000
    const next = () => (left-- > 0 ? { path: '/counter/8' } : undefined)
    const loading = runLoad({ origin: app.origin, connections: 4, result, next })
    const seen: { total: number; completeUntil: string }[] = []
    const totals = async () => {
      const { acknowledged } = result
      await app.counted()
      const body = JSON.parse(await stats('8', '--json')) as (typeof seen)[number] // as over HTTP
      assert.ok(body.total >= acknowledged, `${body.total} of ${acknowledged}`)
      seen.push(body)
    }
    while (left > 0) await totals()
    await loading
    await totals()
    assert.equal(seen.at(-1)?.total, 2_000)
    const instants = seen.map(({ completeUntil }) => completeUntil)
    assert.deepEqual(instants, instants.toSorted())
  })
})

/** Takes the last file of the schema back, as far as its version says. */
async function makeOlder({ dataFolder, settings }: TestPlace): Promise<void> {
  if (dataFolder === undefined) {
    await runSql(String(settings['DATABASE_URL']), 'delete from schema_versions where version > 1')
  } else {
    using database = new DatabaseSync(join(dataFolder, 'tallymark.sqlite'))
    database.exec('pragma user_version = 1')
  }
}

test('a file in place of the folder is said as such', async () => {
  await using place = await createPlace('SQLite')
  writeFileSync(String(place.dataFolder), 'no folder')
  assert.deepEqual(await runCommand(place.folder, ['stats', '1'], place.settings), {
    exitCode: 1,
    stdout: '',
    stderr: `tallymark: The folder of the database, ${place.dataFolder}, is a file; name another one.\n`,
  })
})

for (const shape of SHAPES) {
  test(`${shape}: reading makes no database, and no table`, async () => {
    await using place = await createPlace(shape)
    const { exitCode, stdout, stderr } = await runCommand(
      place.folder,
      ['stats', '1'],
      place.settings,
    )
    assert.deepEqual([exitCode, stdout], [1, ''])
    const wrong = await runCommand(place.folder, ['stats', '1', '--step=year'], place.settings)
    assert.equal(wrong.exitCode, 2, 'wrong words are told first')
    if (place.dataFolder === undefined) {
      assert.match(
        stderr,
        /^tallymark: Postgres at \S+ has no tables of Tallymark yet; start the s/,
      )
      const tables = await runSql(
        String(place.settings['DATABASE_URL']),
        `select tablename from pg_tables where schemaname = 'public'`,
      )
      assert.deepEqual(tables, [])
    } else {
      assert.match(
        stderr,
        /^tallymark: There is no database in .*data yet; start the service once\.$/m,
      )
      assert.equal(existsSync(place.dataFolder), false)
    }
  })

  test(`${shape}: the database of an older version is not read`, async () => {
    await using place = await createPlace(shape)
    await runCommand(place.folder, ['migrate'], place.settings)
    await makeOlder(place)
    const { exitCode, stdout, stderr } = await runCommand(
      place.folder,
      ['stats', '1'],
      place.settings,
    )
    assert.deepEqual([exitCode, stdout], [1, ''])
    assert.match(
      stderr,
      /^tallymark: The database has schema 1, this Tallymark needs \d: stop the service, and run "tallymark migrate"\.\n$/,
    )
  })

  test(`I1: right after kill -9 it has every acknowledged click, on ${shape}`, async () => {
    await using place = await createPlace(shape)
    const result = emptyResult()
    {
      await using service = await startService(place.settings)
      let left = 200
      const next = () => (left-- > 0 ? { path: '/counter/8' } : undefined)
      await runLoad({ origin: service.origin, connections: 4, result, next })
      await service.kill()
    }
    assert.equal(result.acknowledged, 200)
    const { stdout, stderr } = await runCommand(place.folder, ['stats', '8'], place.settings)
    assert.match(stdout, /^total 200$/m, stderr)
  })
}

test('a reader that leaves early ends it without a complaint', async () => {
  await using place = await createPlace('SQLite')
  await using service = await startService(place.settings)
  const args = ['stats', '1', '--csv', '--fill=zero', '--from=0', '--to=6000000']
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: place.folder,
    env: place.settings,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => void (complaint += chunk.toString()))
  child.stdout.once('data', () => child.stdout.destroy())
  await once(child, 'close')
  assert.deepEqual([child.exitCode, complaint], [0, ''])
  assert.equal(await service.stop(), 0)
})

test('a setting that is misspelt is named, beside the result', async () => {
  await using place = await createPlace('SQLite')
  await runCommand(place.folder, ['migrate'], place.settings)
  writeFileSync(join(place.folder, '.env'), 'PROT=80\n')
  assert.deepEqual(await runCommand(place.folder, ['stats', '1'], place.settings), {
    exitCode: 1,
    stdout: '',
    stderr: 'tallymark: PROT is no setting; did you mean PORT?\ntallymark: There is no banner 1.\n',
  })
})

test('what cannot be read is a sentence', async () => {
  await using place = await createPlace('SQLite')
  await runCommand(place.folder, ['migrate'], place.settings)
  truncateSync(join(String(place.dataFolder), 'tallymark.sqlite'), 5_000)
  const { exitCode, stderr } = await runCommand(place.folder, ['stats', '1'], place.settings)
  assert.equal(exitCode, 1)
  assert.match(stderr, /^tallymark: The database in .*data cannot be used: .*malformed\.\n$/)
  const away = { DATABASE_URL: 'postgresql://me:Geheimnis@127.0.0.1:1/clicks' }
  assert.deepEqual(await runCommand(place.folder, ['stats', '1'], away), {
    exitCode: 1,
    stdout: '',
    stderr: 'tallymark: The store is away: connect ECONNREFUSED 127.0.0.1:1.\n',
  })
})

// util-linux: makes a terminal, and copies what is written to it.
const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

test(
  'O10: in a terminal there are bars as wide as it allows',
  { skip: !hasScript && process.env['CI'] === undefined && 'there is no script (util-linux)' },
  async () => {
    await using place = await createPlace('SQLite')
    await using service = await startService(place.settings)
    await fetch(`${service.origin}/counter/1`)
    const command = `stty cols 60; "${process.execPath}" "${MAIN}" stats 1`
    const shown = spawnSync('script', ['-qec', command, '/dev/null'], {
      cwd: place.folder,
      env: { ...process.env, ...place.settings },
      encoding: 'utf8',
    })
    assert.equal(shown.status, 0)
    const line = shown.stdout.split('\r\n').find((each) => each.includes('█'))
    assert.match(line ?? shown.stdout, /^20\d\d-\S+:00Z {2}1 {2}█{34}$/)
    assert.equal(await service.stop(), 0)
  },
)
