// The topic is not what was counted: deleted, made anew, shortened, grown.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createDatabase, runSql } from '../support/database.ts'
import {
  click,
  problemOf,
  readTotal,
  startKafkaApp,
  statusOf,
  until,
  untilComplete,
  untilStatus,
  type KafkaApp,
} from '../support/kafka-app.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { startKafka, type KafkaBroker } from '../support/kafka.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { runProgram, temporaryFolder } from '../support/service.ts'

const PARTITIONS = 3
const CLICKS = 12

// One of its own: the deletion of a topic keeps a broker busy, and others wait.
let kafka: KafkaBroker
before(async () => {
  if (NEEDS_KAFKA.skip === undefined) kafka = await startKafka()
})
after(async () => {
  await kafka?.[Symbol.asyncDispose]()
})

interface Place extends AsyncDisposable {
  readonly topic: PlainTopic
  readonly databaseUrl: string
  readonly settings: Record<string, string>
}

async function createPlace(): Promise<Place> {
  await using building = new AsyncDisposableStack()
  const database = building.use(await createDatabase())
  const topic = building.use(new PlainTopic(kafka.brokers))
  const settings = {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: kafka.brokers,
    KAFKA_TOPIC: topic.name,
    KAFKA_PARTITIONS: String(PARTITIONS),
  }
  const built = building.move()
  return {
    topic,
    databaseUrl: database.url,
    settings,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** An api and an aggregator that have counted some clicks. */
async function startBoth(place: Place, building: AsyncDisposableStack) {
  const aggregator = building.use(await startKafkaApp({ ...place.settings, ROLE: 'aggregator' }))
  const api = building.use(await startKafkaApp({ ...place.settings, ROLE: 'api' }))
  await untilStatus(`${api.origin}/readyz`, 200)
  await click(api.origin, CLICKS)
  assert.equal(await untilComplete(api.origin), CLICKS)
  return { api, aggregator }
}

/** What an api does whose topic is not the one that is counted. */
async function checkRefusal(api: KafkaApp, reason: RegExp): Promise<void> {
  const { origin } = api
  await untilStatus(`${origin}/readyz`, 503)
  await until('clicks are refused', async () => {
    return (await statusOf(`${origin}/counter/1`, 'POST')) === 503
  })
  assert.deepEqual(await problemOf(`${origin}/counter/1`, 'POST'), [503, 'store_unavailable'])
  await until('/readyz says why', async () => {
    const answer = await fetch(`${origin}/readyz`)
    assert.equal(answer.status, 503)
    return reason.test(await answer.text())
  })
  await until('the log says why', async () => reason.test(api.log()))
  assert.ok((await readTotal(origin)).total >= CLICKS)
}

async function clickUntil(origin: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const status = await statusOf(`${origin}/counter/1`, 'POST')
    assert.ok([200, 503].includes(status), `answered ${status}`)
  }
}

// Side by side, as most of their time is waiting.
describe('the topic', { concurrency: true }, () => {
  test(
    'I17: a topic made anew under a running service stops the aggregator and is refused by the api',
    NEEDS_KAFKA,
    async () => {
      await using place = await createPlace()
      await using running = new AsyncDisposableStack()
      const { api, aggregator } = await startBoth(place, running)
      const stop = new AbortController()
      const clicking = Array.from({ length: 4 }, () => clickUntil(api.origin, stop.signal))
      await place.topic.delete()
      await place.topic.create(1) // fewer partitions: nobody may stumble over one that is gone
      const { exitCode, message } = await aggregator.ended
      assert.equal(exitCode, 3)
      assert.match(
        message,
        /was deleted and made anew: the store has counted topic id .*, the broker has/,
      )
      assert.match(message, /Point KAFKA_TOPIC or KAFKA_BROKERS back/)
      assert.match(message, /tallymark positions reset/)
      await checkRefusal(api, /deleted and made anew/)
      stop.abort()
      await Promise.all(clicking)
    },
  )

  test(
    'I17: a topic made anew while nothing runs is neither counted nor filled',
    NEEDS_KAFKA,
    async () => {
      await using place = await createPlace()
      {
        await using running = new AsyncDisposableStack()
        await startBoth(place, running)
      }
      await place.topic.delete()
      await place.topic.create(PARTITIONS)
      await place.topic.write(['{"v":1,"bannerID":1,"at":1}'])
      using folder = temporaryFolder()
      const settings = { ...place.settings, PORT: '0', ROLE: 'aggregator' }
      const { exitCode, output } = await runProgram(folder.path, [], settings)
      assert.equal(exitCode, 3, output)
      assert.match(output, /was deleted and made anew: .*tallymark positions reset/)
      await using api = await startKafkaApp({ ...place.settings, ROLE: 'api' })
      await checkRefusal(api, /deleted and made anew/)
      assert.equal((await place.topic.read()).length, 1)
    },
  )

  test(
    'I17: a topic deleted under a running service stops the aggregator and is refused by the api',
    NEEDS_KAFKA,
    async () => {
      await using place = await createPlace()
      await using running = new AsyncDisposableStack()
      const { api, aggregator } = await startBoth(place, running)
      await place.topic.delete()
      const { exitCode, message } = await aggregator.ended
      assert.equal(exitCode, 3)
      assert.match(
        message,
        /was deleted: the store has counted it up to offset \d+ of partition 0, /,
      )
      assert.match(message, /If KAFKA_BROKERS or KAFKA_TOPIC is wrong, correct it\./)
      assert.match(message, /tallymark positions reset/)
      await checkRefusal(api, /was deleted/)
    },
  )

  test(
    'I17: records that retention took before they were counted stop the aggregator',
    NEEDS_KAFKA,
    async () => {
      await using place = await createPlace()
      await using running = new AsyncDisposableStack()
      const { api, aggregator } = await startBoth(place, running)
      await aggregator[Symbol.asyncDispose]()
      await place.topic.write(['{"v":1,"bannerID":1,"at":1}', '{"v":1,"bannerID":1,"at":1}'])
      const [end = 0n] = await place.topic.ends()
      await place.topic.forget(0, end - 1n)
      await using late = await startKafkaApp({ ...place.settings, ROLE: 'aggregator' })
      const { exitCode, message } = await late.ended
      assert.equal(exitCode, 3)
      assert.match(
        message,
        new RegExp(
          `partition 0 begins at offset ${end - 1n}, and only what is below ${end - 2n} is counted`,
        ),
      )
      assert.match(message, /restore them, or run "tallymark positions reset"/)
      await checkRefusal(api, /no longer has what is to be counted next/)
    },
  )

  for (const ticker of [undefined, '1']) {
    const name = ticker === undefined ? '' : ', also with MINUTES_TICKER'
    test(
      `I17: a log that ends before what was counted stops the aggregator${name}`,
      NEEDS_KAFKA,
      async () => {
        await using place = await createPlace()
        await using running = new AsyncDisposableStack()
        const { api, aggregator } = await startBoth(place, running)
        await aggregator[Symbol.asyncDispose]()
        const earlier = await readTotal(api.origin)
        // As if brokers had lost their last records.
        await runSql(place.databaseUrl, 'update positions set next = next + 7 where source = $1', [
          `${place.topic.name}/1`,
        ])
        const settings = { ...place.settings, ...(ticker && { MINUTES_TICKER: ticker }) }
        await using late = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
        const { exitCode, message } = await late.ended
        assert.equal(exitCode, 3)
        assert.match(message, /partition 1 ends at offset \d+, and \d+ is counted/)
        await checkRefusal(api, /no longer has what is to be counted next/)
        const [row] = await runSql(
          place.databaseUrl,
          'select complete_until from partitions where source = $1',
          [`${place.topic.name}/1`],
        )
        assert.ok(Number(row?.['complete_until']) <= earlier.completeUntil + 60_000)
      },
    )
  }

  test(
    'I15: new partitions are used and counted while the service runs, and completeUntil stays true',
    NEEDS_KAFKA,
    async () => {
      await using place = await createPlace()
      await using running = new AsyncDisposableStack()
      const { api } = await startBoth(place, running)
      await place.topic.grow(PARTITIONS + 2)
      let acknowledged = CLICKS
      let last = await readTotal(api.origin)
      await until('clicks go to all partitions', async () => {
        await click(api.origin, PARTITIONS + 2)
        acknowledged += PARTITIONS + 2
        const now = await readTotal(api.origin)
        assert.ok(now.completeUntil >= last.completeUntil, 'completeUntil went back')
        last = now
        const ends = await place.topic.ends()
        return ends.length === PARTITIONS + 2 && ends.every((end) => end > 0n)
      })
      assert.equal(await untilComplete(api.origin), acknowledged)
    },
  )
})
