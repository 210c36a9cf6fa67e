// What operators are told while the store or the brokers hang or are away, and by several processes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createDatabase } from '../support/database.ts'
import { click, startKafkaApp, statusOf, until, untilStatus } from '../support/kafka-app.ts'
import { startKafka, type KafkaBroker } from '../support/kafka.ts'
import { byLabel, metricsOf, sumOf, underWayOf, type Lines } from '../support/metrics.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'

/** More than is usual between two looks at the store. */
const LAG_S = 6

let kafka: KafkaBroker | undefined
let postgres: PostgresServer
before(async () => {
  postgres = await startPostgres({ isDurable: true })
  if (NEEDS_KAFKA.skip === undefined) kafka = await startKafka()
})
after(async () => {
  await kafka?.[Symbol.asyncDispose]()
  await postgres[Symbol.asyncDispose]()
})

function lagOf(lines: Lines): number {
  return lines.get('lag_seconds') ?? NaN
}

function partOf(lines: Lines, part: string): number | undefined {
  return lines.get(`part_up{part="${part}"}`)
}

function untilTold(origin: string, claim: string, isTrue: (lines: Lines) => boolean) {
  return until(claim, async () => isTrue(await metricsOf(origin)))
}

async function untilLagGrows(origin: string): Promise<void> {
  await untilTold(origin, `the lag is above ${LAG_S} s`, (lines) => lagOf(lines) > LAG_S)
  const earlier = lagOf(await metricsOf(origin))
  await untilTold(origin, 'it goes on growing', (lines) => lagOf(lines) > earlier + 1)
}

function untilLagIsSmall(origin: string): Promise<void> {
  return untilTold(origin, 'the lag is small', (lines) => lagOf(lines) < LAG_S / 2)
}

/** Of what is committed, by whatever process: each is one of these. */
function countedIn(lines: Lines): number {
  const names = ['clicks_counted_total', 'clicks_duplicate_total', 'clicks_unsettled_total']
  return [...names, 'dead_letters_total'].reduce((sum, name) => sum + sumOf(lines, name), 0)
}

test('O17, O18: while Postgres hangs clicks are under way and the lag grows, then all adds up', async () => {
  const { url } = await createDatabase(postgres.url)
  await using app = await startKafkaApp({ DATABASE_URL: url, ACK_TIMEOUT_MS: '20000' })
  const { origin } = app
  await click(origin, 5)
  await untilLagIsSmall(origin)
  postgres.freeze()
  const waiting = Array.from({ length: 10 }, (_, index) =>
    statusOf(`${origin}/counter/1?key=${index % 2}`, 'POST'),
  )
  await untilTold(origin, 'ten are under way', (lines) => underWayOf(lines) === 10)
  const lines = await metricsOf(origin)
  assert.equal(lines.get('clicks_waiting'), 10)
  assert.equal(sumOf(lines, 'clicks_accepted_total'), 5)
  await untilLagGrows(origin)
  assert.equal(partOf(await metricsOf(origin), 'log'), 0)
  postgres.thaw()
  await Promise.all(waiting)
  await untilLagIsSmall(origin)
  await untilTold(origin, 'the log is up', (found) => partOf(found, 'log') === 1)
  await untilTold(origin, 'nothing waits', (found) => found.get('clicks_waiting') === 0)
  const settled = await metricsOf(origin)
  assert.equal(underWayOf(settled), 0)
  assert.equal(countedIn(settled), 15)
  const durable = sumOf(settled, 'clicks_accepted_total') + sumOf(settled, 'clicks_late_total')
  assert.equal(durable, 15)
})

test('O18: started while Postgres is away, neither the lag nor sizes are told', async () => {
  const { url } = await createDatabase(postgres.url)
  await postgres.kill()
  await using app = await startKafkaApp({ DATABASE_URL: url })
  const lines = await metricsOf(app.origin)
  assert.equal(partOf(lines, 'registry'), 0)
  const unknown = ['lag_seconds', 'database_bytes', 'unmerged_batches', 'dead_letters_kept']
  for (const name of [...unknown, 'banners', 'banners_silent']) {
    assert.equal(lines.get(name), undefined, name)
  }
  await postgres.start()
  await untilLagIsSmall(app.origin)
  assert.ok(Number((await metricsOf(app.origin)).get('banners')) > 0)
})

test(
  'O17: over processes, what is counted, a duplicate or no click adds up to the positions',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka?.brokers ?? '')
    const { url } = await createDatabase(postgres.url)
    const settings = {
      DATABASE_URL: url,
      KAFKA_BROKERS: kafka?.brokers ?? '',
      KAFKA_TOPIC: topic.name,
      KAFKA_PARTITIONS: '4',
    }
    await using running = new AsyncDisposableStack()
    const start = async (role: string) =>
      running.use(await startKafkaApp({ ...settings, ROLE: role }))
    const all = await Promise.all(['api', 'aggregator', 'aggregator'].map(start))
    const [api = assert.fail()] = all
    const told = () => Promise.all(all.map(({ origin }) => metricsOf(origin)))
    await untilStatus(`${api.origin}/readyz`, 200)
    await until('both count', async () => {
      const counts = (await told()).map((lines) => sumOf(lines, 'partitions'))
      return counts.join() === '0,2,2'
    })
    await click(api.origin, 100)
    for (let index = 0; index < 30; index += 1) {
      assert.equal(await statusOf(`${api.origin}/counter/1?key=${index % 10}`, 'POST'), 200)
    }
    await topic.write(['no click', '{}', '{"v":1,"bannerID":2147483647,"at":1733835360000}'])
    const records = 133
    await until('the positions are at the end', async () => {
      const positions = (await told()).map((each) => sumOf(each, 'partition_position'))
      const [ofApi, ...ofAggregators] = positions
      return ofApi === records && ofAggregators.reduce((sum, each) => sum + each, 0) === records
    })
    const lines = await told()
    const sumOver = (name: string) => lines.reduce((sum, each) => sum + sumOf(each, name), 0)
    assert.equal(sumOver('clicks_accepted_total'), 130)
    assert.equal(sumOver('clicks_counted_total'), 110)
    assert.equal(sumOver('clicks_duplicate_total'), 20)
    assert.equal(sumOver('dead_letters_total'), 3)
    const partitionsOf = (some: readonly Lines[]) =>
      some.flatMap((each) => [...byLabel(each, 'partition_position', 'partition').keys()])
    for (const some of [lines.slice(0, 1), lines.slice(1)])
      assert.deepEqual(partitionsOf(some).toSorted(), ['0', '1', '2', '3'])
    for (const { origin } of all)
      await untilTold(origin, 'three are kept', (each) => each.get('dead_letters_kept') === 3)
    for (const { origin } of all) await untilLagIsSmall(origin)
    assert.equal(lines[1]?.get('banners_silent'), undefined, 'who only counts has no answers')
  },
)

test(
  'O18: with Kafka each process tells the lag while Postgres is away, and while the brokers are',
  NEEDS_KAFKA,
  async () => {
    assert.ok(kafka)
    await using topic = new PlainTopic(kafka.brokers)
    const { url } = await createDatabase(postgres.url)
    const settings = { DATABASE_URL: url, KAFKA_BROKERS: kafka.brokers, KAFKA_TOPIC: topic.name }
    await using api = await startKafkaApp({ ...settings, ROLE: 'api' })
    await using aggregator = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
    const both = [api.origin, aggregator.origin]
    await untilStatus(`${api.origin}/readyz`, 200)
    await click(api.origin, 20)
    await Promise.all(both.map(untilLagIsSmall))
    const positionsOf = async () => sumOf(await metricsOf(aggregator.origin), 'partition_position')
    await until('all is counted', async () => (await positionsOf()) === 20)

    await postgres.kill()
    await click(api.origin, 20)
    await Promise.all(both.map(untilLagGrows))
    for (const origin of both) {
      await untilTold(origin, 'the store is down', (lines) => partOf(lines, 'store') === 0)
    }
    assert.equal(partOf(await metricsOf(api.origin), 'log'), 1)
    assert.equal(partOf(await metricsOf(aggregator.origin), 'aggregator'), 0)
    assert.equal(await positionsOf(), 20, 'what was known last')
    await postgres.start()
    await Promise.all(both.map(untilLagIsSmall))
    await until('all is counted', async () => (await positionsOf()) === 40)

    kafka.freeze()
    await Promise.all(both.map(untilLagGrows))
    for (const origin of both) assert.equal(partOf(await metricsOf(origin), 'store'), 1)
    kafka.thaw()
    await Promise.all(both.map(untilLagIsSmall))
  },
)

test(
  'O18: an api tells what waits in each partition when no aggregator is left, and nothing before it knows',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka?.brokers ?? '')
    const { url } = await createDatabase(postgres.url)
    const settings = {
      DATABASE_URL: url,
      KAFKA_BROKERS: kafka?.brokers ?? '',
      KAFKA_TOPIC: topic.name,
      KAFKA_PARTITIONS: '2',
    }
    const waits = (lines: Lines) => lines.get('log_waiting_records')
    await postgres.kill()
    await using api = await startKafkaApp({ ...settings, ROLE: 'api' })
    const atFirst = await metricsOf(api.origin)
    assert.deepEqual([waits(atFirst), sumOf(atFirst, 'partition_lag_records')], [undefined, 0])
    await postgres.start()
    await untilStatus(`${api.origin}/readyz`, 200)
    {
      await using _ = await startKafkaApp({ ...settings, ROLE: 'aggregator' })
      await click(api.origin, 20)
      await untilTold(api.origin, 'all is counted', (lines) => {
        return sumOf(lines, 'partition_position') === 20 && waits(lines) === 0
      })
    }
    await click(api.origin, 30)
    await untilTold(api.origin, '30 wait', (lines) => waits(lines) === 30)
    const lines = await metricsOf(api.origin)
    assert.equal(sumOf(lines, 'partition_lag_records'), 30)
    assert.equal(sumOf(lines, 'partition_position'), 20)
    assert.equal(byLabel(lines, 'partition_position', 'partition').size, 2)
    assert.equal(lines.get('partitions'), 0)
  },
)

test(
  'O18: with MINUTES_TICKER the lag may be as long as its interval, which is told',
  NEEDS_KAFKA,
  async () => {
    await using topic = new PlainTopic(kafka?.brokers ?? '')
    const { url } = await createDatabase(postgres.url)
    await using app = await startKafkaApp({
      DATABASE_URL: url,
      KAFKA_BROKERS: kafka?.brokers ?? '',
      KAFKA_TOPIC: topic.name,
      MINUTES_TICKER: '5',
    })
    await untilStatus(`${app.origin}/readyz`, 200)
    await click(app.origin, 3)
    await untilTold(app.origin, 'three wait', (lines) => lines.get('log_waiting_records') === 3)
    const lines = await metricsOf(app.origin)
    assert.equal(lines.get('ticker_seconds'), 300)
    assert.equal(sumOf(lines, 'partition_lag_records'), 3)
    assert.equal(sumOf(lines, 'clicks_counted_total'), 0)
  },
)
