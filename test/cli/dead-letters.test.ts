// tallymark dead-letters, on a real Postgres. Kafka need not be there.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { encodeRecord } from '../../src/log/kafka/record.ts'
import { addBanners, batchIn, openEmpty, TOPIC } from '../support/partitions.ts'
import { clickOf, emptyDatabase, openAt, sumOf } from '../support/postgres-store.ts'
import { runCommand, temporaryFolder } from '../support/service.ts'

const SHOWN = '"tallymark dead-letters list" shows which there are.'

/** Four dead letters: text, bytes that are none, and two clicks of banner 4, which is not known. */
async function place() {
  const { url } = await emptyDatabase()
  const store = await openAt(url)
  await addBanners(store)
  await openEmpty(store.partitions, TOPIC, randomUUID(), [0n])
  const contents = [
    Buffer.from(`no click, but \u001b[2J${'long '.repeat(20)}`),
    Buffer.from([0xff, 0x00]),
    encodeRecord(clickOf(4)),
    encodeRecord({ ...clickOf(4), key: 'once' }),
  ]
  const suspects = contents.map((bytes, at) => ({ position: BigInt(at), bytes, reason: 'why' }))
  await store.commit(batchIn(0, 0n, 4n, { suspects }))
  const run = async (...args: string[]) => {
    using folder = temporaryFolder()
    return await runCommand(folder.path, ['dead-letters', ...args], { DATABASE_URL: url })
  }
  return { run, store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

test('dead letters are listed, as text that is safe to show and as JSON', async () => {
  await using here = await place()
  const { exitCode, stdout, stderr } = await here.run('list')
  assert.deepEqual([exitCode, stderr], [0, ''])
  assert.match(stdout, /^id {2}partition {2}offset {2}found {21}reason {2}record\n/)
  assert.match(stdout, /^ 1 {2}clicks\/0 {8}0 {2}\d{4}-\S+Z {2}why {5}no click, but \ufffd\[2J/m)
  assert.match(stdout, /\n\n4 dead letters\n$/)
  assert.ok(!stdout.includes('\u001b'))
  const two = await here.run('list', '--limit', '2')
  assert.match(two.stdout, /\n\n4 dead letters, of which the first 2 are shown\n$/)
  const json = JSON.parse((await here.run('list', '--json')).stdout) as {
    deadLetters: Record<string, unknown>[]
    count: number
  }
  assert.equal(json.count, 4)
  assert.deepEqual(
    json.deadLetters.map(({ id, partition, offset, recordBase64 }) => [
      id,
      partition,
      offset,
      recordBase64,
    ]),
    [
      [1, 'clicks/0', 0, undefined],
      [2, 'clicks/0', 1, '/wA='],
      [3, 'clicks/0', 2, undefined],
      [4, 'clicks/0', 3, undefined],
    ],
  )
  assert.match(String(json.deadLetters[0]?.['record']), /long long $/)
})

test('O16: dead letters are counted once their banner is known', async () => {
  await using here = await place()
  const early = await here.run('retry', '3')
  assert.deepEqual(early, {
    exitCode: 1,
    stdout: 'Counted 0; 1 could not be.\n4 dead letters left.\n',
    stderr: '',
  })
  await here.store.addAll([{ id: 4, name: 'late', url: null, status: 'active' }], 'always')
  assert.deepEqual(await here.run('retry', '3', '9', '8'), {
    exitCode: 1,
    stdout: '',
    stderr: `tallymark: No dead letter has the id 8, 9; ${SHOWN}\n`,
  })
  const one = await here.run('retry', '3', '3')
  assert.deepEqual(one, {
    exitCode: 0,
    stdout: 'Counted 1; 0 could not be.\n3 dead letters left.\n',
    stderr: '',
  })
  const all = await here.run('retry', '--all')
  assert.deepEqual(
    [all.exitCode, all.stdout],
    [1, 'Counted 1; 2 could not be.\n2 dead letters left.\n'],
  )
  assert.equal(await sumOf(here.store), 2)
})

test('O16: dead letters are dropped if that is said', async () => {
  await using here = await place()
  const unasked = await here.run('drop', '1')
  assert.equal(unasked.exitCode, 2)
  assert.match(unasked.stderr, /this is no terminal, so it cannot ask; add --yes to do it/)
  assert.deepEqual(await here.run('drop', '1', '99', '--yes'), {
    exitCode: 1,
    stdout: '',
    stderr: `tallymark: No dead letter has the id 99; ${SHOWN}\n`,
  })
  const one = await here.run('drop', '1', '--yes')
  assert.match(one.stdout, /^1 dead letter would be forgotten[^]*^Dropped 1\.$/m)
  const all = await here.run('drop', '--all', '--yes')
  assert.match(all.stdout, /^3 dead letters would be forgotten[^]*^Dropped 3\.$/m)
  assert.equal((await here.run('list')).stdout, '0 dead letters\n')
})

test('wrong arguments, and a store without dead letters, are sentences', async () => {
  using folder = temporaryFolder()
  const help = '; see tallymark help dead-letters'
  for (const [args, sentence] of [
    [[], `say what to do: list, retry or drop${help}`],
    [['count'], `"count" is neither list, retry nor drop${help}`],
    [['retry'], `say which: ids, or --all${help}`],
    [['retry', '1', '--all'], `give ids or --all, not both${help}`],
    [['retry', '1', '--yes'], `unknown option '--yes'${help}`],
    [['drop', '01'], `"01" is not the id of a dead letter${help}`],
    [['list', '--limit', '0'], `--limit must be an integer from 1 to 100000${help}`],
    [
      ['list'],
      'The embedded store has no dead letters, which come from Kafka: set DATABASE_URL or POSTGRES_HOST.',
    ],
  ] as const) {
    const ended = await runCommand(folder.path, ['dead-letters', ...args])
    assert.deepEqual(ended, { exitCode: 2, stdout: '', stderr: `tallymark: ${sentence}\n` })
  }
})
