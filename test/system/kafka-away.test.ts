// The service while Kafka or Postgres are not there yet, hang, or are away.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../support/database.ts'
import {
  click,
  problemOf,
  startKafkaApp,
  statusOf,
  until,
  untilComplete,
  untilStatus,
} from '../support/kafka-app.ts'
import { metricsOf } from '../support/metrics.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { startKafka, type KafkaBroker } from '../support/kafka.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'
import { startService } from '../support/service.ts'

const AWAY = [503, 'store_unavailable']
const CLICKS = 20

let kafka: KafkaBroker
let postgres: PostgresServer
before(async () => {
  if (NEEDS_KAFKA.skip !== undefined) return
  kafka = await startKafka()
  postgres = await startPostgres({ isDurable: true })
})
after(async () => {
  await kafka?.[Symbol.asyncDispose]()
  await postgres?.[Symbol.asyncDispose]()
})

async function settingsOf(topic: PlainTopic): Promise<Record<string, string>> {
  const { url } = await createDatabase(postgres.url)
  return { DATABASE_URL: url, KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: topic.name }
}

async function partOf(origin: string, name: string): Promise<string> {
  const answer = await fetch(`${origin}/readyz`)
  const { parts } = (await answer.json()) as { parts: Record<string, { status: string }> }
  return parts[name]?.status ?? 'missing'
}

test(
  'I11: started before broker, Postgres and topic, processes wait for them and make the topic',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    const settings = await settingsOf(topic)
    await Promise.all([kafka.kill(), postgres.kill()])
    await using running = new AsyncDisposableStack()
    const start = async (role: string) =>
      running.use(await startKafkaApp({ ...settings, ROLE: role }))
    const all = await Promise.all(['aggregator', 'api', 'api', 'all'].map(start))
    const [aggregator, api, other] = all
    assert.ok(aggregator && api && other)
    for (const { origin } of all) {
      assert.equal(await statusOf(`${origin}/healthz`), 200)
      assert.deepEqual(await problemOf(`${origin}/readyz`), [503, 'not_ready'])
    }
    assert.deepEqual(await problemOf(`${api.origin}/counter/1`, 'POST'), AWAY)
    await postgres.start()
    await until(
      'the banners are loaded',
      async () => (await partOf(api.origin, 'registry')) === 'ok',
    )
    assert.deepEqual(await problemOf(`${api.origin}/counter/1`, 'POST'), AWAY)
    await kafka.start()
    for (const { origin } of all) await untilStatus(`${origin}/readyz`, 200)
    await click(api.origin, CLICKS)
    await click(other.origin, CLICKS)
    assert.equal(await untilComplete(api.origin), 2 * CLICKS)
    for (const each of all) assert.doesNotMatch(each.log(), /ERROR|FATAL/)
  },
)

test(
  'O14: while Postgres is away known banners are counted, and everything is there once it is back',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    const settings = await settingsOf(topic)
    await using api = await startKafkaApp({ ...settings, ROLE: 'api' })
    await using both = await startKafkaApp({ ...settings, ROLE: 'all' })
    await using aggregator = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
    await untilStatus(`${aggregator.origin}/readyz`, 200)
    for (const { origin } of [api, both]) {
      await untilStatus(`${origin}/readyz`, 200)
      await click(origin, CLICKS)
    }
    assert.equal(await untilComplete(api.origin), 2 * CLICKS)
    await postgres.kill()
    for (const { origin } of [api, both]) {
      await until(
        'the store is known to be away',
        async () => (await partOf(origin, 'store')) !== 'ok',
      )
      await click(origin, CLICKS)
      assert.equal(await statusOf(`${origin}/readyz`), 200)
      assert.deepEqual(await problemOf(`${origin}/counter/2147483647`, 'POST'), AWAY)
      assert.deepEqual(await problemOf(`${origin}/stats/1`), AWAY)
      assert.deepEqual(await problemOf(`${origin}/stats`), AWAY)
      assert.deepEqual(await problemOf(`${origin}/series?banners=1`), AWAY)
    }
    await until('the aggregator says that it cannot count', async () => {
      return (await partOf(aggregator.origin, 'aggregator')).startsWith('The store is away')
    })
    assert.equal(await statusOf(`${aggregator.origin}/readyz`), 200)
    assert.equal((await metricsOf(aggregator.origin)).get('part_up{part="aggregator"}'), 0)
    await postgres.start()
    assert.equal(await untilCounted(api.origin), 4 * CLICKS)
    assert.equal(await statusOf(`${both.origin}/counter/2147483647`, 'POST'), 404)
    await until('the store is known to be back', async () => {
      return (await partOf(both.origin, 'store')) === 'ok'
    })
  },
)

/** The same, but it may not answer at first. */
async function untilCounted(origin: string): Promise<number> {
  await untilStatus(`${origin}/stats`, 200)
  return await untilComplete(origin)
}

test(
  'I4: a broker that hangs costs refusals that say which, and bounded memory',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    const settings = { ACK_TIMEOUT_MS: '500', WAITING_MAX: '20', ...(await settingsOf(topic)) }
    await using api = await startKafkaApp({ ...settings, ROLE: 'all' })
    const url = `${api.origin}/counter/1`
    await untilStatus(`${api.origin}/readyz`, 200)
    kafka.freeze()
    const answers = await Promise.all(Array.from({ length: 60 }, () => problemOf(url, 'POST')))
    const refusedWith = (code: string) => answers.filter((each) => each[1] === code).length
    assert.deepEqual([refusedWith('overloaded'), refusedWith('store_unavailable')], [40, 20])
    await untilStatus(`${api.origin}/readyz`, 503)
    kafka.thaw()
    await untilStatus(`${api.origin}/readyz`, 200)
    await untilStatus(url, 200, 'POST')
    const total = await untilComplete(api.origin)
    const inTopic = await topic.read()
    assert.equal(total, inTopic.length)
  },
)

test(
  'O2: a broker that dies and comes back is seen by /readyz, though no click comes',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    const settings = await settingsOf(topic)
    await using api = await startKafkaApp({ ...settings, ROLE: 'api' })
    await using aggregator = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
    for (const { origin } of [api, aggregator]) await untilStatus(`${origin}/readyz`, 200)
    await kafka.kill()
    for (const { origin } of [api, aggregator]) await untilStatus(`${origin}/readyz`, 503)
    assert.deepEqual(await problemOf(`${api.origin}/counter/1`, 'POST'), AWAY)
    await until('the log says it', async () => api.log().includes('Clicks cannot be taken'))
    await kafka.start()
    for (const { origin } of [api, aggregator]) await untilStatus(`${origin}/readyz`, 200)
    await click(api.origin, CLICKS)
    assert.ok((await untilComplete(api.origin)) <= CLICKS + 1)
    assert.match(api.log(), /INFO {2}Clicks are taken again/)
  },
)

test(
  'a broker that hangs does not keep a service from stopping that has nothing to send',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    await using service = await startService(await settingsOf(topic))
    await untilStatus(`${service.origin}/readyz`, 200)
    await click(service.origin, CLICKS)
    kafka.freeze()
    try {
      await untilStatus(`${service.origin}/readyz`, 503)
      assert.equal(await service.stop(), 0, service.output())
    } finally {
      kafka.thaw()
    }
  },
)

test(
  'O5: a click that a broker which hangs keeps waiting is answered before the stop is over',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka.brokers)
    const settings = { ACK_TIMEOUT_MS: '60000', SHUTDOWN_TIMEOUT_MS: '3000' }
    await using service = await startService({ ...settings, ...(await settingsOf(topic)) })
    const { origin } = service
    await untilStatus(`${origin}/readyz`, 200)
    await click(origin, CLICKS)
    kafka.freeze()
    try {
      const answer = problemOf(`${origin}/counter/1`, 'POST')
      await until('it waits', async () => (await metricsOf(origin)).get('clicks_waiting') === 1)
      await service.stop()
      assert.deepEqual(await answer, AWAY)
    } finally {
      kafka.thaw()
    }
  },
)

test('O5: a Postgres that hangs keeps no process from stopping', NEEDS_KAFKA, async () => {
  await using topic = new PlainTopic(kafka.brokers)
  const settings = await settingsOf(topic)
  await using running = new AsyncDisposableStack()
  const start = async (ROLE: string) => running.use(await startService({ ...settings, ROLE }))
  const services = await Promise.all(['all', 'aggregator', 'api'].map(start))
  for (const { origin } of services) await untilStatus(`${origin}/readyz`, 200)
  postgres.freeze()
  try {
    await pause(1_000) // questions are under way
    const stops = services.map(async (service) => [await service.stop(), service.output()])
    for (const [exitCode, output] of await Promise.all(stops))
      assert.equal(exitCode, 0, `${output}`)
  } finally {
    postgres.thaw()
  }
})
