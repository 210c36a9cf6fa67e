// `tallymark import --original` on a table as the original service made it, into either store.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { createDatabase, runSql } from '../support/database.ts'
import { runProgram, startService, temporaryFolder } from '../support/service.ts'

const IMPORT = ['import', '--original'] as const
/** The tests' server warns that it does without fsync. */
const QUIET = { LOG_LEVEL: 'error' } as const

async function createOriginal(url: string, hourType: string): Promise<void> {
  await runSql(
    url,
    `create table banner_stats (
       banner_id bigint, hour_timestamp ${hourType}, counts jsonb,
       primary key (banner_id, hour_timestamp));
     insert into banner_stats values
       (7, '2024-12-10 12:00:00Z', '{"0": 3, "15": 4, "59": 1}'),
       (7, '2024-12-10 13:00:00Z', '{"00": 2, "1": 0}'),
       (100, '2024-12-31 23:00:00Z', '{"59": 5}'),
       (101, '2025-01-01 00:00:00Z', '{"0": 6}')`,
  )
}

for (const shape of ['SQLite', 'Postgres'] as const) {
  for (const hourType of ['timestamp', 'timestamptz'] as const) {
    test(`the original's table is imported into ${shape}, its hours a ${hourType}`, async () => {
      using folder = temporaryFolder()
      await using original = await createDatabase()
      await using database = await createDatabase()
      // UTC is meant, wherever the server stands.
      const name = new URL(original.url).pathname.slice(1)
      await createOriginal(original.url, hourType)
      await runSql(original.url, `alter database ${name} set timezone = 'Asia/Kathmandu'`)
      const store: Record<string, string> =
        shape === 'SQLite'
          ? { DATA_DIR: join(folder.path, 'data') }
          : { DATABASE_URL: database.url }
      const settings = { ...QUIET, ...store, ORIGINAL_DATABASE_URL: original.url }

      const first = await runProgram(folder.path, IMPORT, settings)
      assert.deepEqual(first, {
        exitCode: 0,
        output: `Read 4 hours of banner_stats.
Added 21 clicks in 6 minutes; 0 minutes had been imported before.
Registered 3 unknown banners: 7, 100, 101.
`,
      })
      const again = await runProgram(folder.path, IMPORT, settings)
      assert.match(again.output, /Added 0 clicks in 0 minutes; 6 minutes had been imported before/)

      // The original goes on counting.
      await runSql(
        original.url,
        `update banner_stats set counts = counts || '{"59": 9, "58": 2}' where banner_id = 100`,
      )
      const later = await runProgram(folder.path, IMPORT, settings)
      assert.match(later.output, /Added 6 clicks in 2 minutes; 5 minutes had been imported before/)

      await using service = await startService(settings)
      const seriesOf = async (id: number) => {
        const answer = await fetch(
          `${service.origin}/stats/${id}?tsFrom=1733000000&tsTo=1736000000`,
        )
        const { counts } = (await answer.json()) as {
          counts: { timestamp: string; count: number }[]
        } // GET /stats/:bannerId of the contract
        return counts.map(({ timestamp, count }) => [timestamp, count])
      }
      assert.deepEqual(await seriesOf(7), [
        ['2024-12-10T12:00:00Z', 3],
        ['2024-12-10T12:15:00Z', 4],
        ['2024-12-10T12:59:00Z', 1],
        ['2024-12-10T13:00:00Z', 2],
      ])
      assert.deepEqual(await seriesOf(100), [
        ['2024-12-31T23:58:00Z', 2],
        ['2024-12-31T23:59:00Z', 9],
      ])
      const clicked = await fetch(`${service.origin}/counter/101`, { method: 'POST' })
      assert.equal(clicked.status, 200, 'registered banners can be clicked')
    })
  }
}

test('what is no count is left out and named, and the rest is imported', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase()
  await runSql(
    database.url,
    `create table banner_stats (banner_id bigint, hour_timestamp timestamp, counts jsonb);
     insert into banner_stats values
       (7, '2024-12-10 12:00:00', '{"0": 3, "60": 4, "x": 1, "1": -1, "2": 1.5, "3": "4"}'),
       (7, '2024-12-10 12:00:00', '{"0": 2}'),
       (7, '2024-12-10 12:30:00', '{"0": 2}'),
       (0, '2024-12-10 12:00:00', '{"0": 2}'),
       (2147483648, '2024-12-10 12:00:00', '{"0": 2}'),
       (8, '2024-12-10 12:00:00', null),
       (8, '2024-12-10 13:00:00', '[5, 6]'),
       (8, '2024-12-10 14:00:00', '7'),
       (9, null, '{"0": 1}'),
       (9, 'infinity', '{"0": 1}'),
       (9, '2300-01-01', '{"0": 1}'),
       (9, '2024-12-10 12:00:00', '{"0": 2147483647, "1": 99999999, "01": 2}')`,
  )
  const { exitCode, output } = await runProgram(folder.path, IMPORT, {
    DATABASE_URL: database.url,
  })
  assert.equal(exitCode, 0, output)
  assert.match(output, /^Added 100000004 clicks in 2 minutes/m, 'two rows of one hour add up')
  for (const line of [
    'banner 0, hour 2024-12-10T12:00:00.000Z: not a banner id',
    'banner 2147483648, hour 2024-12-10T12:00:00.000Z: not a banner id',
    'banner 7, hour 2024-12-10 12:30:00: not the beginning of an hour since 1970',
    'banner 8, hour 2024-12-10T12:00:00.000Z: null is no object of minutes and counts',
    'banner 8, hour 2024-12-10T13:00:00.000Z: [5,6] is no object of minutes and counts',
    'banner 8, hour 2024-12-10T14:00:00.000Z: 7 is no object of minutes and counts',
    'banner 9, hour null: not the beginning of an hour since 1970',
    'banner 9, hour infinity: not the beginning of an hour since 1970',
    'banner 9, hour 2300-01-01 00:00:00: not the beginning of an hour since 1970',
    'banner 9, hour 2024-12-10T12:00:00.000Z: {"0":2147483647} is not a minute and its count',
    'banner 7, hour 2024-12-10T12:00:00.000Z: {"60":4} is not a minute and its count',
    'banner 7, hour 2024-12-10T12:00:00.000Z: {"x":1} is not a minute and its count',
    'banner 7, hour 2024-12-10T12:00:00.000Z: {"1":-1} is not a minute and its count',
    'banner 7, hour 2024-12-10T12:00:00.000Z: {"2":1.5} is not a minute and its count',
    'banner 7, hour 2024-12-10T12:00:00.000Z: {"3":"4"} is not a minute and its count',
  ]) {
    assert.ok(output.includes(`  - ${line}\n`), `${line}\nis not in\n${output}`)
  }
  assert.match(output, /^Skipped, 16 in all:$/m)
})

test('two imports at once add each count once', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase()
  await createOriginal(database.url, 'timestamp')
  const settings = { ...QUIET, DATABASE_URL: database.url }
  await runProgram(folder.path, ['import', '--original'], settings)
  await runSql(
    database.url,
    `update banner_stats set counts = counts || '{"30": 50}';
     insert into banner_stats select id, '2024-01-01', '{"1": 1}' from generate_series(200, 3000) id`,
  )
  const outputs = await Promise.all(
    Array.from({ length: 3 }, () => runProgram(folder.path, IMPORT, settings)),
  )
  const added = outputs.map(({ output }) => Number(/Added (\d+)/.exec(output)?.[1]))
  assert.equal(
    added.reduce((sum, each) => sum + each, 0),
    4 * 50 + 2_801,
    outputs.map(({ output }) => output).join('\n'),
  )
  const [row] = await runSql(database.url, 'select sum(count)::int as sum from counts_by_minute')
  assert.equal(row?.['sum'], 21 + 200 + 2_801)
})

test('without the original’s table it says what to set', async () => {
  using folder = temporaryFolder()
  await using database = await createDatabase()
  const nowhere = await runProgram(folder.path, IMPORT)
  assert.equal(nowhere.exitCode, 2)
  assert.match(nowhere.output, /Say where the table banner_stats is: set ORIGINAL_DATABASE_URL/)
  const empty = await runProgram(folder.path, IMPORT, { ...QUIET, DATABASE_URL: database.url })
  assert.equal(empty.exitCode, 1)
  assert.equal(
    empty.output,
    `tallymark: Cannot read the original's table: relation "banner_stats" does not exist.\n`,
  )
  const bare = await runProgram(folder.path, ['import'])
  assert.equal(bare.exitCode, 2)
  assert.match(bare.output, /import needs --original/)
})
