// What processes of each role serve, how they stop, and who goes on.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { runAggregator } from '../../src/aggregator/aggregator.ts'
import { KafkaSource } from '../../src/log/kafka/source.ts'
import { PartitionReader } from '../../src/log/kafka/reader.ts'
import { KafkaTopic } from '../../src/log/kafka/topic.ts'
import { openStore } from '../../src/open-store.ts'
import { parseConfig } from '../../src/config.ts'
import { createDatabase } from '../support/database.ts'
import {
  click,
  problemOf,
  readTotal,
  startKafkaApp,
  statusOf,
  untilComplete,
  untilStatus,
} from '../support/kafka-app.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { startService } from '../support/service.ts'

const PARTITIONS = 3
const LOAD_MS = 1_000
const TICK_MS = 2_000
const TICKS = 3
const READ_PAUSE_MS = 20

interface Place extends AsyncDisposable {
  readonly topic: PlainTopic
  readonly settings: Readonly<Record<string, string>>
}

async function createPlace(partitions = PARTITIONS): Promise<Place> {
  const brokers = process.env['KAFKA_BROKERS_TEST'] ?? ''
  await using building = new AsyncDisposableStack()
  const { url } = building.use(await createDatabase())
  const topic = building.use(new PlainTopic(brokers))
  await topic.create(partitions)
  building.defer(() => topic.delete())
  const built = building.move()
  return {
    topic,
    settings: { DATABASE_URL: url, KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic.name },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

test(
  'O14: a process that only counts is watched by three paths, and calls all others those of another role',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    await using api = await startKafkaApp({ ...place.settings, ROLE: 'api' })
    await using aggregator = await startKafkaApp({ ...place.settings, ROLE: 'aggregator' })
    const { origin } = aggregator
    await untilStatus(`${origin}/readyz`, 200)
    const described = await fetch(`${api.origin}/openapi.json`)
    const { paths } = (await described.json()) as { paths: Record<string, object> }
    const watched = ['/healthz', '/readyz', '/metrics']
    const others = Object.entries({ ...paths, '/assets/index.js': { get: {} } }).filter(
      ([path]) => !watched.includes(path),
    )
    assert.ok(others.length >= 8, `only ${others.length} paths`)
    for (const path of watched) assert.equal(await statusOf(`${origin}${path}`), 200)
    for (const [path, methods] of others) {
      const url = `${origin}${path.replace(/\{.*\}/, '1')}`
      if ('get' in methods) assert.equal(await statusOf(url, 'HEAD'), 404, url)
      for (const method of Object.keys(methods)) {
        if (method === 'parameters') continue
        const upper = method.toUpperCase()
        if (upper === 'HEAD') assert.equal(await statusOf(url, upper), 404, url)
        else assert.deepEqual(await problemOf(url, upper), [404, 'wrong_role'], `${upper} ${url}`)
      }
    }
    assert.deepEqual(await problemOf(`${origin}/counter/1`, 'PUT'), [404, 'wrong_role'])
    assert.deepEqual(await problemOf(`${origin}/nothing`), [404, 'not_found'])
    assert.equal(await untilComplete(api.origin), 0)
  },
)

test(
  'an aggregator that stops hands over, and the last one counts what is left',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    await using api = await startKafkaApp({ ...place.settings, ROLE: 'api' })
    const settings = { ...place.settings, ROLE: 'aggregator' }
    await using first = await startKafkaApp(settings)
    await using last = await startKafkaApp(settings)
    for (const { origin } of [api, first, last]) await untilStatus(`${origin}/readyz`, 200)
    await click(api.origin, 9)
    assert.equal(await untilComplete(api.origin), 9)
    await first[Symbol.asyncDispose]()
    await click(api.origin, 9)
    assert.equal(await untilComplete(api.origin), 18)
    await last[Symbol.asyncDispose]()
    // Until its next tick it leaves clicks in the log.
    await using sole = await startKafkaApp({ ...settings, MINUTES_TICKER: '1' })
    await untilStatus(`${sole.origin}/readyz`, 200)
    await click(api.origin, 9)
    await sole[Symbol.asyncDispose]()
    assert.equal((await readTotal(api.origin)).total, 27)
  },
)

test(
  'I1: SIGTERM under load with Kafka: everything acknowledged is counted, by then or by the next',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    const service = await startService({ ...place.settings })
    await using _ = service
    const { origin, child } = service
    await untilStatus(`${origin}/readyz`, 200)
    const result = emptyResult()
    const isThere = () => child.exitCode === null && child.signalCode === null
    const next = () => (isThere() ? { path: '/counter/7' } : undefined)
    const loading = runLoad({ origin, connections: 32, result, next })
    await pause(LOAD_MS)
    assert.equal(await service.stop('SIGTERM'), 0, service.output())
    await loading
    const lines = service.output().trim().split('\n')
    assert.match(
      lines.at(-1) ?? '',
      /Stopped; every acknowledged click is durable in the click log$/,
    )
    assert.ok(lines.length <= 5, service.output())
    assert.ok(result.acknowledged > 100)
    assert.deepEqual([...result.refused], [])
    await using again = await startKafkaApp(place.settings)
    assert.equal(await untilComplete(again.origin), result.acknowledged)
  },
)

test('a process that only counts stops with 0, and says what is true', NEEDS_KAFKA, async () => {
  await using place = await createPlace()
  await using service = await startService({ ...place.settings, ROLE: 'aggregator' })
  await untilStatus(`${service.origin}/readyz`, 200)
  assert.equal(await service.stop('SIGTERM'), 0, service.output())
  assert.match(service.output(), /Stopped; what is not counted yet waits in the click log\n$/)
})

test(
  'O15: with ticks nothing is counted between them, and completeUntil knows',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace(1)
    await using api = await startKafkaApp({ ...place.settings, ROLE: 'api' })
    await untilStatus(`${api.origin}/readyz`, 200)
    await using _ = await countByTicks(place.settings)
    const acknowledged: number[] = []
    const totals = new Set<number>()
    const startedAt = performance.now()
    const elapsed = () => performance.now() - startedAt
    let last = 0
    while (totals.size < 1 + TICKS) {
      assert.ok(elapsed() < 20 * TICKS * TICK_MS, 'it does not count')
      await click(api.origin, 1)
      acknowledged.push(Date.now())
      const { total, completeUntil } = await readTotal(api.origin)
      totals.add(total)
      const due = acknowledged.filter((at) => at < completeUntil).length
      assert.ok(total >= due, `it has ${total} of ${due}`)
      assert.ok(completeUntil >= last, 'completeUntil went back')
      last = completeUntil
      await pause(READ_PAUSE_MS)
    }
    // Between ticks there are dozens of clicks, each of which would be a total of its own.
    assert.ok(elapsed() > (TICKS - 1) * TICK_MS, `${totals.size} totals in ${elapsed()} ms`)
    assert.equal(await untilComplete(api.origin), acknowledged.length)
  },
)

/** An aggregator whose ticks are not minutes. */
async function countByTicks(settings: Readonly<Record<string, string>>): Promise<AsyncDisposable> {
  const { clickLog, ...config } = parseConfig(settings)
  assert.ok(clickLog.kind === 'kafka')
  await using building = new AsyncDisposableStack()
  const { store, partitions, prepare } = await openStore({ ...config, clickLog })
  building.use(store)
  await prepare()
  assert.ok(partitions)
  const topic = building.use(new KafkaTopic(clickLog))
  const reader = building.use(new PartitionReader(clickLog.connection, clickLog.topic))
  const source = new KafkaSource({
    topic,
    reader,
    store: partitions,
    member: randomUUID(),
    isKnown: () => true,
    batchMax: 5_000,
    tickMs: TICK_MS,
    observe: () => {},
  })
  const stop = new AbortController()
  const running = runAggregator(source, store, stop.signal)
  building.defer(async () => {
    stop.abort()
    await running
  })
  const built = building.move()
  return { [Symbol.asyncDispose]: () => built.disposeAsync() }
}
