// What doctor says of brokers and topic.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Check } from '../../../src/check.ts'
import { AppError } from '../../../src/errors.ts'
import { inspectKafka, type InspectedLog } from '../../../src/log/kafka/inspect.ts'
import type { StoredPartition } from '../../../src/log/kafka/partition-store.ts'
import { countedCheck, topicChecks, type FoundTopic } from '../../../src/log/kafka/topic-checks.ts'
import { NEEDS_KAFKA } from '../../support/topic.ts'
import { append, createTopic, topicAt } from '../../support/kafka-topics.ts'
import { startKafka, startSecuredKafka } from '../../support/kafka.ts'

const HOUR_MS = 3_600_000

function logAt(brokers?: string): InspectedLog {
  return { ...topicAt(brokers), tickerMinutes: undefined }
}

const noPositions = async () => []
const drainState = async () => ({ state: 'drained' }) as const

async function examine(
  log: InspectedLog,
  readPartitions: () => Promise<readonly StoredPartition[]> = noPositions,
) {
  const checks = await inspectKafka(log, {
    keyRetentionMs: 48 * HOUR_MS,
    readPartitions,
    drainState,
  })
  return { checks, verdicts: verdictsOf(checks), found: (name: string) => foundOf(checks, name) }
}

function verdictsOf(checks: readonly Check[]) {
  return Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))
}

function foundOf(checks: readonly Check[], name: string): string {
  return checks.find((check) => check.name === name)?.found ?? ''
}

test('a topic that does not exist yet is made by the first start', NEEDS_KAFKA, async () => {
  const log = logAt()
  const { verdicts, found } = await examine(log)
  assert.deepEqual(verdicts, { broker: 'ok', topic: 'ok' })
  assert.match(found('broker'), /^127\.0\.0\.1:\d+ answers$/)
  assert.equal(found('topic'), `${log.topic} will be created with 2 partitions, one copy of each`)
  const three = await examine({ ...log, replication: 3 })
  assert.equal(three.verdicts['topic'], 'FAIL')
  const counted = { number: 0, topicId: randomUUID(), next: 1n, completeUntil: 0 }
  assert.equal((await examine(log, async () => [counted])).verdicts['topic'], 'FAIL')
})

test('a topic is examined, and what waits in it is told', NEEDS_KAFKA, async () => {
  const log = logAt()
  const topicId = await createTopic(log)
  await append(log, 1, ['{}', '{}', '{}'])
  const position = (number: number, next: bigint, completeUntil = Date.now()) => ({
    number,
    topicId,
    next,
    completeUntil,
  })
  const behind = await examine(log, async () => [position(0, 0n), position(1, 1n)])
  assert.deepEqual(behind.verdicts, {
    broker: 'ok',
    topic: 'ok',
    leaders: 'ok',
    replication: 'ok',
    'in sync': 'ok',
    elections: 'ok',
    cleanup: 'ok',
    retention: 'ok',
    counted: 'ok',
  })
  assert.equal(behind.found('counted'), '2 records are waiting')
  const drained = await examine(log, async () => [position(0, 0n), position(1, 3n)])
  assert.equal(drained.found('counted'), 'drained: everything in the log is counted')
  const never = await examine(log)
  assert.equal(never.verdicts['counted'], 'warn')
  assert.equal(never.found('counted'), '3 records are waiting; none was ever counted')
  const beyond = await examine(log, async () => [position(0, 0n), position(1, 4n)])
  assert.equal(beyond.verdicts['counted'], 'FAIL')
  const anew = await examine(log, async () => [{ ...position(0, 0n), topicId: randomUUID() }])
  assert.equal(anew.verdicts['topic'], 'FAIL')
  const away = await examine(log, async () => {
    throw new AppError('store_unavailable', 'The store is away.')
  })
  assert.equal(away.verdicts['counted'], 'warn')
  assert.equal(away.found('counted'), 'the positions cannot be read: The store is away.')
})

test('settings of a topic that lose clicks are told', NEEDS_KAFKA, async () => {
  const log = logAt()
  await createTopic(log, {
    'cleanup.policy': 'compact',
    'retention.ms': '3600000',
    'min.insync.replicas': '2',
  })
  const { verdicts, found } = await examine(log)
  assert.deepEqual(
    [verdicts['cleanup'], verdicts['retention'], verdicts['in sync']],
    ['FAIL', 'warn', 'FAIL'],
  )
  assert.match(found('retention'), /^retention\.ms = 3600000 \(1 h\), retention\.bytes = -1: /)
})

test(
  'brokers that are away, refuse or hang fail in time, each by its name',
  NEEDS_KAFKA,
  async () => {
    await using kafka = await startSecuredKafka()
    const password = 'Geheimnis'
    const tls = { ca: readFileSync(kafka.ca, 'utf8') }
    const log = logAt(`${kafka.brokers},127.0.0.1:1`)
    const connection = { ...log.connection, tls }
    const sasl = { mechanism: 'PLAIN', username: kafka.user, password: kafka.password } as const
    const one = await examine({ ...log, connection: { ...connection, sasl } })
    assert.deepEqual(
      one.checks.map(({ verdict }) => verdict),
      ['ok', 'warn', 'ok'],
    )
    assert.match(
      one.checks[1]?.found ?? '',
      /^127\.0\.0\.1:1 does not answer: connect ECONNREFUSED/,
    )
    const refused = await examine({
      ...log,
      connection: { ...connection, sasl: { ...sasl, password } },
    })
    assert.deepEqual(
      refused.checks.map(({ verdict }) => verdict),
      ['FAIL', 'FAIL'],
    )
    assert.match(refused.found('broker'), /:\d+ refuses user or password$/)
    assert.ok(!JSON.stringify(refused.checks).includes(password))
    const nobody = await examine({ ...log, connection })
    assert.match(nobody.found('broker'), /does not answer: Connection closed/)
    assert.match(JSON.stringify(nobody.checks[0]), /KAFKA_SASL_MECHANISM/)
    kafka.freeze()
    const startedAt = performance.now()
    const hangs = await examine({ ...log, connection: { ...connection, sasl } })
    assert.equal(hangs.verdicts['broker'], 'FAIL')
    assert.ok(performance.now() - startedAt < 10_000)
    kafka.thaw()
  },
)

test(
  'a cluster without one of its brokers is short of copies or leaders',
  NEEDS_KAFKA,
  async () => {
    await using kafka = await startKafka({ nodes: 3 })
    const two = { ...logAt(kafka.brokers.split(',')[0]), replication: 3, partitions: 3 }
    const topicId = await createTopic(two)
    const counted = async () =>
      [0, 1, 2].map((number) => ({ number, topicId, next: 0n, completeUntil: 0 }))
    const whole = await examine(two)
    assert.deepEqual(
      whole.checks
        .filter(({ name }) => name === 'broker')
        .map(({ found }) => found.replace(/^\S+\d/, '')),
      [' answers', ', of the same cluster, answers', ', of the same cluster, answers'],
    )
    assert.deepEqual([whole.verdicts['replication'], whole.verdicts['in sync']], ['ok', 'warn'])
    const single = { ...two, topic: 'single', replication: 1 }
    await createTopic(single)
    assert.equal((await examine(single)).verdicts['replication'], 'warn')
    await kafka.nodes[2]?.kill()
    let short = await examine(two, counted)
    for (let tries = 0; tries < 40 && short.verdicts['counted'] !== 'ok'; tries += 1) {
      await pause(250) // until the others have taken over
      short = await examine(two, counted)
    }
    assert.equal(short.verdicts['replication'], 'warn', JSON.stringify(short.checks))
    const leaderless = await examine(single)
    assert.equal(leaderless.verdicts['leaders'], 'FAIL')
    assert.match(leaderless.found('leaders'), /^partition \d has none/)
  },
)

test('every trouble of a topic has its verdict', () => {
  const partition = { number: 0, hasLeader: true, replicas: 3, inSync: 3 }
  const settings = {
    'min.insync.replicas': '2',
    'unclean.leader.election.enable': 'false',
    'cleanup.policy': 'delete',
    'retention.ms': '604800000',
    'retention.bytes': '-1',
  }
  const topic: FoundTopic = {
    name: 'clicks',
    id: 'a',
    brokers: 3,
    partitions: [partition],
    settings: new Map(),
  }
  const troubles = (
    changes: Partial<FoundTopic>,
    changedSettings: Partial<typeof settings> = {},
    keyRetentionHours = 48,
  ) =>
    topicChecks(
      {
        ...topic,
        settings: new Map(Object.entries({ ...settings, ...changedSettings })),
        ...changes,
      },
      [],
      keyRetentionHours * HOUR_MS,
    )
      .filter(({ verdict }) => verdict !== 'ok')
      .map(({ name, verdict }) => `${name} ${verdict}`)
  assert.deepEqual(troubles({}), [])
  assert.deepEqual(troubles({ settings: undefined }), ['settings warn'])
  const change = (changed: Partial<typeof partition>) => ({
    partitions: [{ ...partition, ...changed }],
  })
  assert.deepEqual(troubles(change({ hasLeader: false, inSync: 0 })), [
    'leaders FAIL',
    'replication warn',
  ])
  assert.deepEqual(troubles(change({ inSync: 2 })), ['replication warn'])
  assert.deepEqual(troubles(change({ inSync: 1 })), ['replication warn', 'in sync FAIL'])
  const single = change({ replicas: 1, inSync: 1 })
  const one = { 'min.insync.replicas': '1' }
  assert.deepEqual(troubles(single, one), ['replication warn'])
  assert.deepEqual(troubles({ ...single, brokers: 1 }, one), [])
  assert.deepEqual(troubles({ ...single, brokers: 1 }), ['in sync FAIL'])
  assert.deepEqual(troubles({}, one), ['in sync warn'])
  const unclean = { 'unclean.leader.election.enable': 'true' }
  assert.deepEqual(troubles({}, unclean), ['elections warn'])
  assert.deepEqual(troubles({ ...single, brokers: 1 }, { ...unclean, ...one }), [])
  assert.deepEqual(troubles({}, { 'cleanup.policy': 'compact,delete' }), ['cleanup FAIL'])
  assert.deepEqual(troubles({}, { 'retention.ms': '-1' }), [])
  assert.deepEqual(troubles({}, { 'retention.ms': String(71 * HOUR_MS) }), ['retention warn'])
  assert.deepEqual(troubles({}, { 'retention.ms': String(72 * HOUR_MS) }), [])
  assert.deepEqual(troubles({}, { 'retention.ms': String(72 * HOUR_MS) }, 100), ['retention warn'])
  assert.deepEqual(troubles({}, { 'retention.ms': '60000' }), ['retention FAIL'])
  assert.deepEqual(troubles({}, { 'retention.bytes': '1000000' }), ['retention warn'])
})

test('what was deleted before it was counted fails, and what waits for long is told', () => {
  const partitions = [{ number: 0, topicId: 'a', next: 10n, completeUntil: 1_000_000 }]
  const counted = (start: bigint, end: bigint, now = 1_000_000, tickerMinutes?: number) =>
    countedCheck({ partitions, drain: { state: 'drained' } }, [{ start, end }], {
      now,
      tickerMinutes,
    })
  assert.equal(counted(0n, 10n, 9_000_000).verdict, 'ok')
  assert.equal(counted(0n, 12n).verdict, 'ok')
  assert.equal(counted(0n, 12n, 1_060_001).verdict, 'warn')
  assert.equal(counted(0n, 12n, 1_060_001, 5).verdict, 'ok')
  assert.equal(counted(0n, 12n, 1_360_001, 5).verdict, 'warn')
  assert.equal(counted(11n, 12n).found, 'offsets 10 to 10 of partition 0 were deleted uncounted')
  assert.equal(counted(0n, 9n).verdict, 'FAIL')
  const grown = countedCheck(
    { partitions, drain: { state: 'open', reason: 'somebody clicks' } },
    [
      { start: 0n, end: 10n },
      { start: 0n, end: 2n },
    ],
    { now: 1_000_000, tickerMinutes: undefined },
  )
  assert.equal(grown.found, '2 records are waiting')
  const open = { partitions, drain: { state: 'open', reason: 'somebody clicks' } } as const
  const whole = countedCheck(open, [{ start: 0n, end: 10n }], { now: 0, tickerMinutes: undefined })
  assert.equal(whole.found, 'everything in the log is counted; not drained, as somebody clicks')
})
