// tallymark positions, on a real Kafka and a real Postgres.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { movesTo, positionsOf, waitingOf, type Target } from '../../src/log/kafka/positions.ts'
import { runSql } from '../support/database.ts'
import { NEEDS_KAFKA, sharedBrokers } from '../support/topic.ts'
import {
  append,
  createTopic,
  deleteRecords,
  deleteTopic,
  topicAt,
} from '../support/kafka-topics.ts'
import { openEmpty } from '../support/partitions.ts'
import { emptyDatabase, openAt } from '../support/postgres-store.ts'
import { runCommand, serviceEnvironment, temporaryFolder } from '../support/service.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const RECORDS = ['{}', '{}', '{}', '{}', '{}']

/** A topic of two partitions with five records each, counted up to 3 and 5. */
async function countedTopic() {
  const options = topicAt()
  const topicId = await createTopic(options)
  await append(options, 0, RECORDS)
  await append(options, 1, RECORDS)
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  await openEmpty(store.partitions, options.topic, topicId, [0n, 0n])
  await setPositions(url, options.topic, [3, 5])
  const settings = {
    DATABASE_URL: url,
    KAFKA_BROKERS: sharedBrokers(),
    KAFKA_TOPIC: options.topic,
    KAFKA_PARTITIONS: '2',
  }
  return { options, url, settings }
}

async function setPositions(url: string, topic: string, positions: readonly number[]) {
  for (const [number, next] of positions.entries()) {
    await runSql(url, 'update positions set next = $1 where source = $2', [
      next,
      `${topic}/${number}`,
    ])
    await runSql(url, 'update merges set next = $1 where source = $2', [next, `${topic}/${number}`])
  }
}

type Counted = Awaited<ReturnType<typeof countedTopic>>

async function run({ settings }: Counted, ...args: string[]) {
  using folder = temporaryFolder()
  return await runCommand(folder.path, ['positions', ...args], settings)
}

interface ShownPartition {
  readonly position: number | null
  readonly logStart: number | null
  readonly logEnd: number | null
  readonly waiting: number | null
}

async function shown(place: Counted): Promise<unknown[]> {
  const { stdout } = await run(place, 'show', '--json')
  const { partitions } = JSON.parse(stdout) as { partitions: ShownPartition[] }
  return partitions.map(({ position, logStart, logEnd, waiting }) => [
    position,
    logStart,
    logEnd,
    waiting,
  ])
}

test('positions are shown, as text and as JSON', NEEDS_KAFKA, async () => {
  const place = await countedTopic()
  const { exitCode, stdout, stderr } = await run(place, 'show')
  assert.deepEqual([exitCode, stderr], [0, ''])
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
  assert.match(
    stdout,
    new RegExp(
      `^Kafka at ${sharedBrokers()}, topic ${place.options.topic}

partition  position  log start  log end  waiting  complete until
        0         3          0        5        2  ${time}
        1         5          0        5        0  ${time}

2 records are waiting
$`,
    ),
  )
  assert.deepEqual(await shown(place), [
    [3, 0, 5, 2],
    [5, 0, 5, 0],
  ])
})

test('O16: a reset says what it skips and counts again, and asks before', NEEDS_KAFKA, async () => {
  const place = await countedTopic()
  const unasked = await run(place, 'reset', '--to', 'latest')
  assert.equal(unasked.exitCode, 2)
  assert.match(unasked.stdout, /^ {8}0 {9}3 {4}5 {2}3 to 4 are never counted$/m)
  assert.doesNotMatch(unasked.stdout, /again|^ +1 /m)
  assert.match(unasked.stderr, /this is no terminal, so it cannot ask; add --yes to do it/)
  assert.deepEqual(await shown(place), [
    [3, 0, 5, 2],
    [5, 0, 5, 0],
  ])
  const latest = await run(place, 'reset', '--to', 'latest', '--yes')
  assert.equal(latest.exitCode, 0, latest.stderr)
  assert.match(latest.stdout, /The positions are reset/)
  const again = await run(place, 'reset', '--to', 'latest')
  assert.equal(again.stdout, 'Nothing is to be changed: every position is there already.\n')
  const earliest = await run(place, 'reset', '--to', 'earliest', '--yes')
  assert.match(earliest.stdout, /^ {8}1 {9}5 {4}0 {2}0 to 4 are counted again$/m)
  assert.match(earliest.stdout, /^Counted again is counted twice, but for clicks whose/m)
  const one = await run(place, 'reset', '--partition', '1', '--offset', '2', '--yes')
  assert.equal(one.exitCode, 0, one.stderr)
  assert.deepEqual(await shown(place), [
    [0, 0, 5, 5],
    [2, 0, 5, 3],
  ])
  const beyond = await run(place, 'reset', '--partition', '1', '--offset', '6', '--yes')
  assert.equal(beyond.exitCode, 1)
  assert.match(beyond.stderr, /the log of partition 1 has the offsets from 0 to 5, and not 6/)
})

test('what was deleted before it was counted is said, and left behind', NEEDS_KAFKA, async () => {
  const place = await countedTopic()
  await deleteRecords(place.options, 0, 4n)
  const reset = await run(place, 'reset', '--yes')
  assert.equal(reset.exitCode, 0, reset.stderr)
  assert.match(reset.stdout, /^ {8}0 {9}3 {4}4 {2}3 to 3 are never counted$/m)
  assert.deepEqual(await shown(place), [
    [4, 4, 5, 1],
    [5, 0, 5, 0],
  ])
})

test(
  'a topic that is gone is made anew, one that was made anew is begun',
  NEEDS_KAFKA,
  async () => {
    const place = await countedTopic()
    await deleteTopic(place.options)
    const gone = await run(place, 'show')
    assert.match(gone.stdout, /^The brokers have no topic of this name\.$/m)
    const made = await run(place, 'reset', '--yes')
    assert.equal(made.exitCode, 0, made.stderr)
    assert.match(made.stdout, /^A new one is made; what was not counted of the old one is lost\.$/m)
    assert.deepEqual(await shown(place), [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ])
    await setPositions(place.url, place.options.topic, [7, 7])
    await deleteTopic(place.options)
    await createTopic(place.options)
    await append(place.options, 1, RECORDS)
    const anew = await run(place, 'show')
    assert.match(anew.stdout, /^The topic was deleted and made anew since it was counted/m)
    assert.equal((await run(place, 'reset', '--yes')).exitCode, 0)
    assert.deepEqual(await shown(place), [
      [0, 0, 0, 0],
      [0, 0, 5, 5],
    ])
  },
)

test('O16: nothing is reset while somebody counts', NEEDS_KAFKA, async () => {
  const place = await countedTopic()
  await using store = await openAt(place.url)
  await store.partitions.renewLeases(place.options.topic, randomUUID(), 60_000, [])
  const { exitCode, stderr } = await run(place, 'reset', '--to', 'latest', '--yes')
  assert.equal(exitCode, 1)
  assert.match(stderr, /is being counted: stop every process with ROLE=aggregator or ROLE=all/)
})

test('a topic that is closed is shown as it was counted', NEEDS_KAFKA, async () => {
  const place = await countedTopic()
  await setPositions(place.url, place.options.topic, [5, 5])
  {
    await using store = await openAt(place.url)
    await openEmpty(store.partitions, 'another', randomUUID(), [0n])
  }
  const { stdout } = await run(place, 'show')
  assert.match(stdout, /^The topic is closed: another one, or none, has taken its place\./m)
  assert.match(stdout, /^ {8}0 {9}5 {10}0 {8}5 {8}0 {2}\S+Z$/m)
  assert.match(stdout, /^0 records are waiting$/m)
  await append(place.options, 1, ['{}'])
  assert.match((await run(place, 'show')).stdout, /^1 record is waiting$/m)
  const earliest = await run(place, 'reset', '--to', 'earliest', '--yes')
  assert.match(earliest.stdout, /^ {8}0 {9}5 {4}0 {2}0 to 4 are counted again$/m)
  assert.deepEqual(await shown(place), [
    [0, 0, 5, 5],
    [0, 0, 6, 6],
  ])
})

const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

test(
  'in a terminal a reset is done if the answer is yes',
  !hasScript && process.env['CI'] === undefined ? { skip: 'there is no script' } : NEEDS_KAFKA,
  async () => {
    const place = await countedTopic()
    const answer = (input: string) =>
      spawnSync(
        'script',
        ['-qec', `${process.execPath} ${MAIN} positions reset --to latest`, '/dev/null'],
        { input, env: serviceEnvironment(place.settings), encoding: 'utf8', timeout: 30_000 },
      )
    const no = answer('y\n')
    assert.equal(no.status, 1, no.stdout)
    assert.match(no.stdout, /Type yes to do it: [^]*Nothing was changed\./)
    const yes = answer('yes\n')
    assert.equal(yes.status, 0, yes.stdout)
    assert.match(yes.stdout, /The positions are reset/)
  },
)

test('without Kafka, or with wrong arguments, it says what to set', async () => {
  using folder = temporaryFolder()
  for (const [args, settings, sentence] of [
    [['show'], {}, 'Without Kafka there are no positions: set KAFKA_BROKERS.'],
    [[], {}, 'say what to do: show or reset; see tallymark help positions'],
    [['set'], {}, '"set" is neither show nor reset; see tallymark help positions'],
    [
      ['reset', '--to', 'now'],
      {},
      '--to must be one of stored, earliest, latest; see tallymark help positions',
    ],
    [
      ['reset', '--offset', '1'],
      {},
      '--partition and --offset belong together; see tallymark help positions',
    ],
    [
      ['reset', '--offset', '1', '--partition', '0', '--to', 'latest'],
      {},
      '--to is for all partitions, --offset for one; see tallymark help positions',
    ],
  ] as const) {
    const ended = await runCommand(folder.path, ['positions', ...args], settings)
    assert.deepEqual(ended, { exitCode: 2, stdout: '', stderr: `tallymark: ${sentence}\n` })
  }
})

test('brokers that are away are told of by their name', async () => {
  const { url } = await emptyDatabase()
  await using store = await openAt(url)
  assert.ok(store.clock.now() > 0)
  using folder = temporaryFolder()
  const settings = { DATABASE_URL: url, KAFKA_BROKERS: '127.0.0.1:1' }
  const { exitCode, stderr } = await runCommand(folder.path, ['positions', 'show'], settings)
  assert.equal(exitCode, 1)
  assert.match(
    stderr,
    /^tallymark: Kafka does not answer: connect ECONNREFUSED 127\.0\.0\.1:1\.\n$/,
  )
})

test('every reset is told by what becomes of the records', () => {
  const stored = (number: number, next: bigint) => ({
    number,
    topicId: 'a',
    next,
    completeUntil: 0,
  })
  const range = (start: bigint, end: bigint) => ({ start, end })
  const plan = (target: Target, next: bigint, start: bigint, end: bigint, topicId = 'a') =>
    movesTo(target, positionsOf(topicId, [stored(0, next)], [range(start, end)])).map(
      ({ to, effect }) => [to, effect],
    )
  assert.deepEqual(plan({ kind: 'stored' }, 5n, 0n, 9n), [])
  assert.deepEqual(plan({ kind: 'stored' }, 5n, 7n, 9n), [[7n, '5 to 6 are never counted']])
  assert.deepEqual(plan({ kind: 'stored' }, 9n, 0n, 5n), [
    [5n, 'the log ends at 5: 5 to 8 are lost there'],
  ])
  assert.deepEqual(plan({ kind: 'earliest' }, 9n, 0n, 5n), [[0n, '0 to 4 are counted again']])
  assert.deepEqual(plan({ kind: 'latest' }, 5n, 0n, 9n, 'b'), [[9n, '0 to 8 are never counted']])
  assert.deepEqual(plan({ kind: 'stored' }, 5n, 0n, 9n, 'b'), [[0n, undefined]])
  const grown = positionsOf('a', [stored(0, 5n)], [range(0n, 5n), range(0n, 2n)])
  assert.deepEqual(movesTo({ kind: 'stored' }, grown), [])
  assert.deepEqual(grown.partitions.map(waitingOf), [0n, 2n])
  const shrunk = positionsOf('a', [stored(0, 5n), stored(1, 4n)], [range(0n, 5n)])
  assert.deepEqual(movesTo({ kind: 'earliest' }, shrunk).length, 1)
  assert.throws(() => movesTo({ kind: 'offset', number: 1, offset: 0n }, shrunk), RangeError)
})
