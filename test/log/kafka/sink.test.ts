// How much is sent at once. That nothing is lost or doubled: test/system/kafka-broker.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admin } from '@platformatic/kafka'
import type { Click } from '../../../src/click.ts'
import { INSTANT_END } from '../../../src/instant.ts'
import { SEND_MAX } from '../../../src/log/kafka/sink.ts'
import { makeSink } from '../../support/kafka-log.ts'
import { createTopic, NEEDS_KAFKA } from '../../support/topic.ts'

const CLICK: Click = { bannerId: 1, tally: 'click', at: 1_000 }
/** Quotes are two characters in JSON. */
const LONGEST: Click = {
  bannerId: 2_147_483_647,
  tally: 'click',
  at: INSTANT_END - 1,
  key: '"'.repeat(128),
}

async function openSink(sendMax: number, configs: { name: string; value: string }[] = []) {
  await using building = new AsyncDisposableStack()
  const { brokers, name } = building.use(createTopic())
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: [brokers] })
  await admin.createTopics({ topics: [name], partitions: 1, replicas: 1, configs })
  await admin.close()
  const sends: [clicks: number, isTaken: boolean][] = []
  const clock = { now: () => LONGEST.at }
  const sink = building.use(
    makeSink(brokers, name, {
      clock,
      waitingMax: SEND_MAX,
      sendMax,
      ackTimeoutMs: LONGEST.at,
      observe: (clicks, isTaken) => void sends.push([clicks, isTaken]),
    }),
  )
  sink.open(1)
  const built = building.move()
  const append = (clicks: number, click: Click) =>
    Promise.allSettled(Array.from({ length: clicks }, () => sink.append(click)))
  return { append, sends, [Symbol.asyncDispose]: () => built.disposeAsync() }
}

test('the most clicks of one send are less than a topic takes at once', NEEDS_KAFKA, async () => {
  await using opened = await openSink(SEND_MAX)
  await opened.append(SEND_MAX, LONGEST)
  assert.deepEqual(opened.sends, [[SEND_MAX, true]])
})

test('a topic that takes less at once gets fewer clicks in a send', NEEDS_KAFKA, async () => {
  await using opened = await openSink(16, [{ name: 'max.message.bytes', value: '400' }])
  await opened.append(16, CLICK)
  await opened.append(8, CLICK)
  const last = await opened.append(8, CLICK)
  assert.deepEqual(opened.sends, [
    [16, false],
    [8, false],
    [4, true],
    [4, true],
  ])
  assert.ok(last.every(({ status }) => status === 'fulfilled'))
})
