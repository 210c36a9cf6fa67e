// Kafka as the click log: a real broker, and a real Postgres behind it.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { Admin } from '@platformatic/kafka'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import { AppError } from '../../src/errors.ts'
import type { Batch, Outcome } from '../../src/log/click-log.ts'
import { click, nextOf, testClickLog } from '../contract/click-log.ts'
import { makeSink, openKafkaLog, type OpenedKafkaLog } from '../support/kafka-log.ts'
import { freePort } from '../support/service.ts'
import { createTopic, NEEDS_KAFKA, sharedBrokers } from '../support/topic.ts'

const inDoubt: Outcome = { kind: 'in-doubt', cause: new AppError('store_unavailable', 'away') }

const HINT_TIMEOUT_MS = 20_000

testClickLog('Kafka', openKafkaLog, NEEDS_KAFKA)

async function count(log: OpenedKafkaLog, batch: Batch): Promise<Outcome> {
  return { kind: await log.store.commit(aggregate(batch)) }
}

/** The next batch, while a click comes. */
async function nextWith({ sink }: OpenedKafkaLog, batches: AsyncIterator<Batch>, bannerId: number) {
  const [next] = await Promise.all([nextOf(batches), sink.append(click(bannerId))])
  return next
}

async function recordsIn({ topic }: OpenedKafkaLog): Promise<bigint> {
  return (await topic.ends()).reduce((sum, end) => sum + end, 0n)
}

test('I5: a click is in the log once it is acknowledged', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  for (let clicks = 1n; clicks <= 20n; clicks += 1n) {
    await log.sink.append(click())
    assert.equal(await recordsIn(log), clicks)
  }
})

test('I5: a click that the broker does not take is not acknowledged', NEEDS_KAFKA, async () => {
  await using nowhere = createTopic() // nobody makes it
  await using sink = makeSink(nowhere.brokers, nowhere.name)
  sink.open(1)
  await assert.rejects(sink.append(click()), { code: 'store_unavailable' })
  assert.deepEqual(sink.state(), { waiting: 0, trouble: 'the broker does not take clicks' })
})

test('a click that waits too long for a broker that is away is answered in time', async () => {
  const sends: boolean[] = []
  await using sink = makeSink(`127.0.0.1:${await freePort()}`, 'clicks', {
    ackTimeoutMs: 100,
    observe: (_, isTaken) => void sends.push(isTaken),
  })
  sink.open(1)
  const startedAt = performance.now()
  await assert.rejects(sink.append(click()), { code: 'store_unavailable' })
  assert.ok(performance.now() - startedAt < 5_000, 'not after all the retries')
  await sink.close()
  assert.deepEqual(sends, [false])
})

test(
  'nothing is taken in before the topic is opened, or once it is refused',
  NEEDS_KAFKA,
  async () => {
    await using log = await openKafkaLog({})
    log.sink.refuse('the topic is not the one that is counted')
    const refused = log.sink.append(click())
    assert.deepEqual(log.sink.state(), {
      waiting: 0,
      trouble: 'the topic is not the one that is counted',
    })
    await assert.rejects(refused, { code: 'store_unavailable' })
    log.sink.open(2)
    await log.sink.append(click())
    assert.equal(await recordsIn(log), 1n)
    await using unopened = makeSink('127.0.0.1:1', 'clicks')
    await assert.rejects(unopened.append(click()), { code: 'store_unavailable' })
  },
)

test('a closed sink sends what it has taken in, and takes nothing more', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  const appends = Array.from({ length: 25 }, () => log.sink.append(click()))
  const closing = log.sink.close()
  await assert.rejects(log.sink.append(click()), { code: 'overloaded' })
  await Promise.all([closing, ...appends])
  assert.equal(await recordsIn(log), 25n)
})

test('I3: a batch in doubt is yielded again if it was not counted', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  await log.sink.append(click(1))
  const batches = log.source.batches(new AbortController().signal)
  const batch = await nextOf(batches)
  batch.settle(inDoubt)
  const again = await nextOf(batches)
  assert.deepEqual([again.span.from, again.clicks], [batch.span.from, [click(1)]])
  assert.notEqual(again.span.batchId, batch.span.batchId, 'which of the two landed can be told')
  await batches.return(undefined)
})

test('I3: a batch in doubt is not yielded again if it was', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  await log.sink.append(click(1))
  const stop = new AbortController()
  const batches = log.source.batches(stop.signal)
  const batch = await nextOf(batches)
  await count(log, batch)
  batch.settle(inDoubt)
  const next = await nextWith(log, batches, 2)
  assert.deepEqual(next.clicks, [click(2)])
  next.settle(await count(log, next))
  stop.abort()
  assert.equal((await batches.next()).done, true)
  assert.equal(await log.total(), 2)
})

test('the tools of Kafka see how far the log is counted', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: sharedBrokers().split(',') })
  await using _ = { [Symbol.asyncDispose]: () => admin.close() }
  const stop = new AbortController()
  const running = runAggregator(log.source, log.store, stop.signal)
  for (let clicks = 0; clicks < 3; clicks += 1) await log.sink.append(click())
  const topics = [{ name: log.topic.name, partitionIndexes: [0, 1] }]
  const deadline = performance.now() + HINT_TIMEOUT_MS
  for (let counted = 0n; counted !== 3n;) {
    assert.ok(performance.now() < deadline, `the group is at ${counted}`)
    const [group] = await admin.listConsumerGroupOffsets({
      groups: [{ groupId: 'tallymark', topics }],
    })
    counted = (group?.topics[0]?.partitions ?? []).reduce(
      (sum, { committedOffset }) => sum + (committedOffset < 0n ? 0n : committedOffset),
      0n,
    )
  }
  stop.abort()
  await running
})

test('I3: what another process has counted is not yielded again', NEEDS_KAFKA, async () => {
  await using log = await openKafkaLog({})
  await log.sink.append(click(1))
  const batches = log.source.batches(new AbortController().signal)
  const batch = await nextOf(batches)
  await count(log, { ...batch, span: { ...batch.span, batchId: randomUUID() } })
  const outcome = await count(log, batch)
  assert.equal(outcome.kind, 'superseded')
  batch.settle(outcome)
  const next = await nextWith(log, batches, 2)
  assert.deepEqual(next.clicks, [click(2)])
  await batches.return(undefined)
  assert.equal(await log.total(), 1)
})
