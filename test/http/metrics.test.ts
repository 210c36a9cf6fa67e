// What operators are told in numbers, of a live service that is loaded.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { COUNT_ERRORS } from '../../src/collector/count-operations.ts'
import { ERRORS } from '../../src/errors.ts'
import { METRIC_SECTIONS, Metrics } from '../../src/metrics.ts'
import { routes, type RouteParts } from '../../src/routes.ts'
import { VERSION } from '../../src/version.ts'
import { ARCHIVED, inEachShape, PAUSED, UNKNOWN, type TestApp } from '../support/app.ts'
import { emptyResult, runLoad } from '../support/load.ts'
import { byLabel, metricsOf, sumOf, underWayOf, type Lines } from '../support/metrics.ts'
import { sendRaw } from '../support/raw.ts'
import { BIG } from '../support/refused.ts'
import { totalOf } from '../support/service.ts'

const CLICKS = 2_000
const KEYS = 300
const DEADLINE_MS = 60_000

/** Figures of the store are asked for every few seconds. */
async function untilTold(app: TestApp, claim: string, isTrue: (lines: Lines) => boolean) {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const lines = await metricsOf(app.origin)
    if (isTrue(lines)) return lines
    assert.ok(performance.now() < deadline, `it is never told that ${claim}`)
    await pause(50)
  }
}

/** Clicks without a key, and each key four times. */
async function load(app: TestApp): Promise<void> {
  let sent = 0
  const result = emptyResult()
  await runLoad({
    origin: app.origin,
    connections: 16,
    result,
    next: () => {
      sent += 1
      if (sent > CLICKS + 4 * KEYS) return undefined
      const path = `/counter/${1 + (sent % 9)}`
      return sent > CLICKS ? { path: '/counter/42', key: `key-${sent % KEYS}` } : { path }
    },
  })
  assert.equal(result.acknowledged, CLICKS + 4 * KEYS)
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await load(app)
    await app.counted()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('O17: what is acknowledged is counted or a duplicate, and both are told', async () => {
    const lines = await metricsOf(app.origin)
    assert.equal(sumOf(lines, 'clicks_accepted_total'), CLICKS + 4 * KEYS)
    assert.equal(sumOf(lines, 'clicks_counted_total'), CLICKS + KEYS)
    assert.equal(sumOf(lines, 'clicks_counted_total'), await totalOf(app.origin))
    assert.equal(sumOf(lines, 'clicks_duplicate_total'), 3 * KEYS)
    assert.equal(sumOf(lines, 'clicks_unsettled_total'), 0)
    assert.equal(sumOf(lines, 'clicks_late_total'), 0)
    assert.equal(sumOf(lines, 'commit_clicks_sum'), CLICKS + 4 * KEYS)
    assert.ok(Number(lines.get('commits_total{outcome="counted"}')) > 0)
    assert.equal(lines.get('commits_total{outcome="in-doubt"}'), 0)
  })

  test('O17: with Kafka the positions of the partitions are what is counted and what is not', async () => {
    const lines = await metricsOf(app.origin)
    const positions = byLabel(lines, 'partition_position', 'partition')
    const isKafka = app.shape === 'Kafka'
    assert.deepEqual([...positions.keys()], isKafka ? ['0', '1'] : [])
    assert.equal(sumOf(lines, 'partition_position'), isKafka ? CLICKS + 4 * KEYS : 0)
    assert.equal(sumOf(lines, 'log_position_records'), sumOf(lines, 'partition_position'))
    assert.equal(sumOf(lines, 'partitions'), positions.size)
    assert.equal(sumOf(lines, 'partition_lag_records'), 0)
    assert.equal(lines.get('log_waiting_records'), isKafka ? 0 : undefined)
    assert.equal(sumOf(lines, 'send_clicks_sum'), isKafka ? CLICKS + 4 * KEYS : 0)
  })

  test('O17: what is refused is told by its code, and all that is received adds up', async () => {
    await using own = await start({ WAITING_MAX: '1' })
    const refused: [path: string, init: RequestInit, code: string][] = [
      ['/counter/abc', {}, 'invalid_banner_id'],
      [`/counter/${UNKNOWN}`, {}, 'banner_not_found'],
      [`/counter/${PAUSED}`, {}, 'banner_paused'],
      [`/counter/${ARCHIVED}`, { method: 'POST' }, 'banner_archived'],
      ['/counter/1?key=%20', {}, 'invalid_idempotency_key'],
      ['/counter/1', { method: 'POST', body: BIG }, 'body_too_large'],
      [`/stats/${PAUSED}`, { method: 'POST' }, 'banner_paused'],
    ]
    for (const [path, init] of refused) await (await fetch(`${own.origin}${path}`, init)).text()
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const answer = await fetch(`${own.origin}/counter/1`)
        await answer.text()
        return answer.status
      }),
    )
    // Neither of these is a click.
    await (await fetch(`${own.origin}/counter/1`, { method: 'HEAD' })).text()
    await (await fetch(`${own.origin}/stats/1?tsFrom=x`, { method: 'POST' })).text()
    const lines = await metricsOf(own.origin)
    const overloaded = statuses.filter((status) => status === 503).length
    const byCode = byLabel(lines, 'clicks_refused_total', 'code')
    assert.ok(overloaded > 0 && overloaded < 50, `${overloaded} were refused`)
    assert.deepEqual(Object.fromEntries([...byCode].filter(([, count]) => count > 0)), {
      ...Object.fromEntries(refused.map(([, , code]) => [code, code === 'banner_paused' ? 2 : 1])),
      overloaded,
    })
    // Where none was refused there is a line, so that the first is seen as a rise.
    for (const code of COUNT_ERRORS) assert.ok(byCode.has(code), code)
    assert.equal(sumOf(lines, 'clicks_received_total'), refused.length + 50)
    assert.equal(sumOf(lines, 'clicks_accepted_total'), 50 - overloaded)
    assert.equal(underWayOf(lines), 0)
    assert.equal(lines.get('clicks_waiting'), 0)
  })

  test('O3: answers are told by route and kind of status, and how long the 200 took', async () => {
    await using own = await start()
    const send = async (path: string, method = 'GET'): Promise<void> =>
      void (await (await fetch(`${own.origin}${path}`, { method })).text())
    await send('/counter/1', 'POST')
    await send('/counter/2')
    await send('/stats/1', 'POST')
    await send(`/counter/${UNKNOWN}`)
    await send('/stats?tsFrom=0&tsTo=60')
    await send('/stats/1?step=x')
    await send('/nowhere')
    await send('/counter/%zz')
    await send('/banners', 'PUT')
    // What the parser or the server itself refuses never has a route.
    for (const head of [
      'BAD',
      'CONNECT / HTTP/1.1\r\nHost: x',
      `GET /?${'x'.repeat(17_000)} HTTP/1.1`,
    ]) {
      const { status } = await sendRaw(own.origin, `${head}\r\n\r\n`)
      assert.ok(status >= 400 && status < 500, head.slice(0, 20))
    }
    const expecting =
      'POST /counter/1 HTTP/1.1\r\nHost: x\r\nExpect: x\r\nConnection: close\r\n\r\n'
    await sendRaw(own.origin, expecting)
    const lines = await metricsOf(own.origin)
    const answers = (route: string, status: string) =>
      lines.get(`http_requests_total{route="${route}",status="${status}"}`)
    assert.equal(answers('/counter/:bannerId', '2xx'), 2)
    assert.equal(answers('/counter/:bannerId', '4xx'), 1)
    assert.equal(answers('/counter/:bannerId', '5xx'), 0)
    assert.equal(answers('/stats/:bannerId', '2xx'), 1)
    assert.equal(answers('/stats/:bannerId', '4xx'), 1)
    assert.equal(answers('none', '4xx'), 7)
    const seconds = (route: string) => lines.get(`http_request_seconds_count{route="${route}"}`)
    assert.equal(seconds('/counter/:bannerId'), 3)
    assert.equal(seconds('none'), 7)
    assert.equal(lines.get('ack_seconds_count'), 3)
    assert.equal(lines.get('ack_seconds_bucket{le="+Inf"}'), 3)
    const buckets = [...lines].filter(([line]) => line.startsWith('ack_seconds_bucket'))
    for (const [index, [, value]] of buckets.entries()) {
      assert.ok(value >= (buckets[index - 1]?.[1] ?? 0), 'buckets add up')
    }
    const sum = Number(lines.get('ack_seconds_sum'))
    assert.ok(sum > 0 && sum < DEADLINE_MS / 1_000, `${sum} s`)
  })

  test('O18: the lag is small while all is well, and each part is up', async () => {
    const lines = await untilTold(app, 'the lag is below 10 s', (found) => {
      return Number(found.get('lag_seconds')) < 10
    })
    const parts = Object.fromEntries(byLabel(lines, 'part_up', 'part'))
    const others = { aggregator: 1, store: 1 }
    assert.deepEqual(parts, { registry: 1, log: 1, ...(app.shape === 'Kafka' && others) })
    assert.equal(lines.get('ticker_seconds'), 0)
  })

  test('O3: what runs, how many banners it knows and how large the store is are told', async () => {
    const lines = await untilTold(app, 'everything is merged', (found) => {
      return found.get('unmerged_batches') === 0 && found.has('database_bytes')
    })
    const { shape } = app
    const build = {
      version: VERSION,
      store: shape === 'SQLite' ? 'sqlite' : 'postgres',
      log: shape === 'Kafka' ? 'kafka' : 'direct',
      role: 'all',
    }
    const labels = Object.entries(build).map(([name, value]) => `${name}="${value}"`)
    assert.equal(lines.get(`build_info{${labels.join(',')}}`), 1)
    assert.equal(lines.get('banners'), 12)
    assert.equal(lines.get('merge_failures_total'), 0)
    assert.equal(lines.get('dead_letters_kept'), shape === 'SQLite' ? undefined : 0)
    assert.ok(Number(lines.get('database_bytes')) > 10_000)
    const free = lines.get('disk_free_bytes')
    const size = lines.get('disk_size_bytes')
    // A Postgres is elsewhere: no line, as a 0 would raise an alarm.
    if (shape !== 'SQLite') assert.deepEqual([free, size], [undefined, undefined])
    else assert.ok(free !== undefined && size !== undefined && free > 0 && free < size)
  })
})

test('O3: with many partitions, every route and every code there are fewer than 2,000 lines', async () => {
  const metrics = new Metrics()
  for (const { path } of routes({ metrics, takesClicks: true } as RouteParts)) {
    const route = metrics.route(path)
    for (const status of [101, 200, 302, 404, 500]) route.count(status, 0.1)
  }
  metrics.expectRefusals(Object.keys(ERRORS) as (keyof typeof ERRORS)[])
  const all = Array.from({ length: 5_000 }, (_, number) => ({ number, position: 7, waiting: 1 }))
  metrics.read.eachPartition = () => all
  metrics.read.parts = () => [{ name: 'log', trouble: 'none' }]
  const text = await metrics.registry.metrics()
  assert.ok(text.split('\n').length < 1_500, `${text.split('\n').length} lines`)
  assert.match(text, /^tallymark_partition_position\{partition="199"\} 7$/m)
  assert.doesNotMatch(text, /partition="200"/)
  assert.match(text, /^tallymark_log_waiting_records 5000$/m)
  assert.match(text, /^tallymark_log_position_records 35000$/m)
  assert.match(text, /^tallymark_part_up\{part="log"\} 0$/m)
})

test('every metric is described, in one of the sections', async () => {
  const { described, registry } = new Metrics()
  for (const { name, section, help } of described) {
    assert.match(name, /^tallymark_[a-z_]+$/)
    assert.ok(METRIC_SECTIONS.includes(section), name)
    assert.match(help, /\.$/, name)
  }
  const own = (await registry.getMetricsAsJSON())
    .map(({ name }) => name)
    .filter((name) => !/^tallymark_(?:process|nodejs)_/.test(name))
  assert.deepEqual(own.toSorted(), described.map(({ name }) => name).toSorted())
})
