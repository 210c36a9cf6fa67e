// A store that is counted without Kafka, then with it, and the other way round.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError } from '../../src/errors.ts'
import { createDatabase, runSql } from '../support/database.ts'
import {
  click,
  readTotal,
  startKafkaApp,
  until,
  untilComplete,
  untilStatus,
} from '../support/kafka-app.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { runProgram, temporaryFolder } from '../support/service.ts'

const CLICKS = 20
/** What a process that did not say that it ended may still have had acknowledged, and a second. */
const SILENT_MS = 61_000
const brokers = process.env['KAFKA_BROKERS_TEST'] ?? ''

interface Place extends AsyncDisposable {
  readonly databaseUrl: string
  readonly withoutKafka: Readonly<Record<string, string>>
  readonly withKafka: Readonly<Record<string, string>>
  readonly withOther: Readonly<Record<string, string>>
}

async function createPlace(): Promise<Place> {
  await using building = new AsyncDisposableStack()
  const { url } = building.use(await createDatabase())
  const topics = [building.use(new PlainTopic(brokers)), building.use(new PlainTopic(brokers))]
  for (const topic of topics) {
    await topic.create(2)
    building.defer(() => topic.delete())
  }
  const withoutKafka = { DATABASE_URL: url }
  const [withKafka, withOther] = topics.map(({ name }) => {
    return { ...withoutKafka, KAFKA_BROKERS: brokers, KAFKA_TOPIC: name }
  })
  assert.ok(withKafka && withOther)
  const built = building.move()
  return {
    databaseUrl: url,
    withoutKafka,
    withKafka,
    withOther,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** Clicks, all of which are in the answer afterwards; returns until when that is complete. */
async function count(settings: Readonly<Record<string, string>>, before: number, since: number) {
  await using app = await startKafkaApp(settings)
  await untilStatus(`${app.origin}/readyz`, 200)
  const first = await readTotal(app.origin)
  assert.equal(first.total, before)
  assert.ok(
    first.completeUntil >= since,
    `completeUntil went back by ${since - first.completeUntil}`,
  )
  await click(app.origin, CLICKS)
  assert.equal(await untilComplete(app.origin), before + CLICKS)
  return (await readTotal(app.origin)).completeUntil
}

async function refusalOf(settings: Readonly<Record<string, string>>): Promise<OperatorError> {
  const app = await startKafkaApp(settings).catch((error: unknown) => error)
  if (app instanceof OperatorError) return app
  assert.ok(!(app instanceof Error), String(app))
  await using started = app as Awaited<ReturnType<typeof startKafkaApp>> // what else resolved
  return await started.ended
}

test(
  'I18: a store gains Kafka, and goes back once the log is counted: totals stay, completeUntil does not go back',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    let completeUntil = await count(place.withoutKafka, 0, 0)
    completeUntil = await count(place.withKafka, CLICKS, completeUntil)
    await until('the log is drained', async () => {
      // Two seconds of the shared clock after the last process that took clicks has ended.
      await using counting = await startKafkaApp({ ...place.withKafka, ROLE: 'aggregator' })
      await untilStatus(`${counting.origin}/readyz`, 200)
      const rows = await runSql(place.databaseUrl, 'select drain_state(null) as found')
      const [found] = rows.map((row) => row['found'] as { state: string }) // JSON of that function
      return found?.state === 'drained'
    })
    completeUntil = await count(place.withoutKafka, 2 * CLICKS, completeUntil)
    completeUntil = await count(place.withKafka, 3 * CLICKS, completeUntil)
    assert.ok(completeUntil > 0)
  },
)

test(
  'I18: without Kafka, or with another topic, a start is refused while clicks wait in the log',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    await count(place.withoutKafka, 0, 0)
    {
      await using api = await startKafkaApp({ ...place.withKafka, ROLE: 'api' })
      await untilStatus(`${api.origin}/readyz`, 200)
      await click(api.origin, CLICKS)
      using folder = temporaryFolder()
      const { exitCode, output } = await runProgram(folder.path, [], {
        ...place.withoutKafka,
        PORT: '0',
      })
      assert.equal(exitCode, 1, output)
      assert.match(
        output,
        /is not counted to its end: a process puts clicks into it, or did in the last 10 seconds: stop all that do\. Start again with KAFKA_BROKERS \(ROLE=aggregator suffices\) until "tallymark doctor" says that it is drained\./,
      )
    }
    const waits =
      /is not counted to its end.*: clicks may have been acknowledged up to \d+\.\d s after what is counted\. Start again with KAFKA_/
    const { exitCode, message } = await refusalOf(place.withoutKafka)
    assert.equal(exitCode, 1)
    assert.match(message, waits)
    for (const ROLE of ['aggregator', 'all']) {
      const refusal = await refusalOf({ ...place.withOther, ROLE })
      assert.equal(refusal.exitCode, 1)
      assert.match(refusal.message, waits)
      assert.match(refusal.message, /cannot take its place.*KAFKA_TOPIC=/)
    }
    await using api = await startKafkaApp({ ...place.withOther, ROLE: 'api' })
    await untilStatus(`${api.origin}/readyz`, 503)
    await untilStatus(`${api.origin}/counter/1`, 503, 'POST')
    await until('the log says why', async () => api.log().includes('is not counted to its end'))
    assert.equal((await readTotal(api.origin)).total, CLICKS)
    // With the right topic nothing is lost.
    await using app = await startKafkaApp(place.withKafka)
    await untilStatus(`${app.origin}/readyz`, 200)
    assert.equal(await untilComplete(app.origin), 2 * CLICKS)
  },
)

test(
  'I18: another topic takes the place of one that is counted to its end',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    const completeUntil = await count(place.withKafka, 0, 0)
    await runSql(place.databaseUrl, 'update members set seen = seen - $1', [SILENT_MS])
    await count(place.withOther, CLICKS, completeUntil)
  },
)
