// Prometheus as it looks at services that are at work: with Kafka an api and an aggregator, and one
// whose database is inside. What it asks, records, and is asked by the dashboard has an answer.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { background, sleep } from '../../src/lib/background.ts'
import { createDatabase } from '../support/database.ts'
import { startKafkaApp, until, untilComplete, untilStatus } from '../support/kafka-app.ts'
import { PlainTopic } from '../support/plain-topic.ts'
import { startPrometheus, type Prometheus, type Sample } from '../support/prometheus.ts'
import { freePort, temporaryFolder } from '../support/service.ts'
import { needs, toolPath } from '../support/tools.ts'
import { NEEDS_KAFKA, sharedBrokers } from '../support/topic.ts'
import { exampleValues, readCompose } from './compose-file.ts'
import { allPanels, filledIn, readDashboard } from './dashboard.ts'

const PARTITIONS = 2
const PACE_MS = 20
const TOKEN = 'a-token-of-those-who-read'
/** Of these clicks each second one has a key, and each second key is sent twice. */
const CLICKS_A_ROUND = 8

interface Place extends AsyncDisposable {
  readonly prometheus: Prometheus
  /** Those that count, one by one: two with Kafka, one without. */
  readonly origins: readonly string[]
  /** Ends the load, and waits until all of it is counted. */
  rest(): Promise<void>
}

async function createPlace(): Promise<Place> {
  await using building = new AsyncDisposableStack()
  const brokers = sharedBrokers()
  const { url } = building.use(await createDatabase())
  const topic = building.use(new PlainTopic(brokers))
  await topic.create(PARTITIONS)
  building.defer(() => topic.delete())
  const shared = { DATABASE_URL: url, KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic.name }
  const api = building.use(await startKafkaApp({ ...shared, ROLE: 'api' }))
  const aggregator = building.use(await startKafkaApp({ ...shared, ROLE: 'aggregator' }))
  const folder = building.use(temporaryFolder())
  const embedded = building.use(
    await startKafkaApp({ DATA_DIR: join(folder.path, 'data'), READ_TOKEN: TOKEN }),
  )
  const origins = [api, aggregator, embedded].map(({ origin }) => origin)
  for (const origin of origins) await untilStatus(`${origin}/readyz`, 200)
  const disks = building.use(await startNodeExporter())
  const prometheus = building.use(
    await startPrometheus([
      { origin: api.origin, job: 'tallymark-api', installation: 'kafka' },
      { origin: aggregator.origin, job: 'tallymark-aggregator', installation: 'kafka' },
      { origin: embedded.origin, job: 'tallymark', installation: 'embedded', token: TOKEN },
      { origin: disks.origin, job: 'tallymark-host', installation: 'kafka' },
    ]),
  )
  await until('all are looked at', async () => {
    return (await prometheus.query('tallymark_build_info')).length === origins.length
  })
  await topic.write(['no click'])
  const load = building.use(
    inRounds(async (round) => {
      await Promise.all([sendClicks(api.origin, round), sendClicks(embedded.origin, round)])
      assert.equal(await statusOf(`${api.origin}/stats/1`, 'GET'), 200)
    }),
  )
  const built = building.move()
  return {
    prometheus,
    origins,
    async rest() {
      await load[Symbol.asyncDispose]()
      await untilComplete(api.origin)
    },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** As compose.yaml has it, but that this machine is no folder of it, and may itself be a container. */
async function startNodeExporter(): Promise<AsyncDisposable & { readonly origin: string }> {
  const { command = [] } =
    readCompose('compose.yaml', exampleValues()).services['node-exporter'] ?? {}
  const port = await freePort()
  const args = [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error']
  const here = command.map((word) =>
    word.replace('rootfs=/host', 'rootfs=/').replace('|overlay', ''),
  )
  const child = spawn(toolPath('prometheus-node-exporter'), [...here, ...args], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const origin = `http://127.0.0.1:${port}`
  await until('the disks are told', async () => {
    assert.equal(child.exitCode, null, 'node-exporter does not take what compose.yaml says')
    return await fetch(`${origin}/metrics`).then(
      (answer) => answer.ok,
      () => false,
    )
  })
  return {
    origin,
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}

/** Until it is disposed. */
function inRounds(run: (round: number) => Promise<void>): AsyncDisposable {
  let failure: unknown
  const running = background(
    (error) => (failure = error),
    async (signal) => {
      for (let round = 0; !signal.aborted; round += 1) {
        await run(round)
        await sleep(PACE_MS, signal)
      }
    },
  )
  return {
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      assert.equal(failure, undefined)
    },
  }
}

/** Right ones, repeated ones, and one of a banner that there is not. */
async function sendClicks(origin: string, round: number): Promise<void> {
  for (let click = 0; click < CLICKS_A_ROUND; click += 1) {
    const key = click % 2 === 0 ? '' : `?key=${round}-${click >> 2}`
    assert.equal(await statusOf(`${origin}/counter/${1 + (click >> 2)}${key}`, 'POST'), 200)
  }
  assert.equal(await statusOf(`${origin}/counter/2147483647`, 'POST'), 404)
}

async function statusOf(url: string, method: string): Promise<number> {
  const answer = await fetch(url, { method })
  await answer.arrayBuffer()
  return answer.status
}

/** Waits until an expression has a value that is a number. */
async function untilAnswered(prometheus: Prometheus, expression: string, of: string) {
  let samples: readonly Sample[] = []
  await until(`${of} has data: ${expression}`, async () => {
    samples = await prometheus.query(expression)
    return samples.some(({ value }) => Number.isFinite(value))
  })
  return samples
}

async function one(prometheus: Prometheus, expression: string): Promise<number | undefined> {
  const [sample, ...more] = await prometheus.query(expression)
  assert.equal(more.length, 0, expression)
  return sample?.value
}

/** What a rule selects, and where it names several values, each of them alone. */
function* selectorsOf(query: string): Generator<string> {
  for (const [selector] of query.matchAll(/\b(?:tallymark[\w:]+(?:\{[^}]*\})?|up\{[^}]*\})/g)) {
    yield selector
    const [, name = '', values = '', end = ''] = /^(.+=)~"([\w|-]+)"(.*)$/.exec(selector) ?? []
    for (const value of values.split('|')) if (value !== '') yield `${name}"${value}"${end}`
  }
}

const NEEDED = { ...needs('prometheus', 'promtool', 'prometheus-node-exporter'), ...NEEDS_KAFKA }

describe('Prometheus looks at services under load', NEEDED, () => {
  let place: Place
  before(async () => {
    place = await createPlace()
  })
  after(() => place[Symbol.asyncDispose]())

  test('O20: every query of every panel has data', async () => {
    const dashboard = readDashboard()
    const panels = allPanels(dashboard.panels).filter(({ type }) => type !== 'row')
    assert.ok(panels.length > 30)
    for (const { title, targets = [] } of panels) {
      for (const { expr, legendFormat } of targets) {
        const samples = await untilAnswered(place.prometheus, filledIn(expr, dashboard), title)
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          assert.ok(samples[0]?.metric[label], `${title} has no ${label}`)
        }
      }
    }
  })

  test('O20: the variables of the dashboard have values to choose', async () => {
    const dashboard = readDashboard()
    for (const { name, query } of dashboard.templating.list) {
      const [, selector = '', label = ''] =
        /^label_values\((.+), (\w+)\)$/.exec(filledIn(query.query, dashboard)) ?? []
      const samples = await place.prometheus.query(selector)
      assert.equal(label, name)
      assert.ok(samples.length > 0 && samples.every(({ metric }) => metric[label]), name)
    }
  })

  test('O20: whatever a rule selects is there, label by label, and every rule can be evaluated', async () => {
    const rules = await place.prometheus.rules()
    assert.ok(rules.length > 15)
    for (const { name, query } of rules) {
      for (const selector of selectorsOf(query)) {
        await untilAnswered(place.prometheus, selector, name)
      }
      for (const [, list = ''] of query.matchAll(/\bcode[!=]~"([^"]*)"/g)) {
        for (const code of list.split('|')) assert.ok(code in ERRORS, `${name} knows ${code}`)
      }
    }
    await until('all rules are evaluated', async () => {
      const found = await place.prometheus.rules()
      return found.every(({ health }) => health === 'ok')
    })
  })

  test('the disks of the machine are told, those in memory are not', async () => {
    const disks = await place.prometheus.query('node_filesystem_size_bytes')
    assert.ok(disks.length > 0)
    for (const { metric } of disks)
      assert.doesNotMatch(String(metric['fstype']), /^(tmpfs|proc|sysfs)$/)
    const ratio = 'tallymark:disk_free:ratio{job="tallymark-host"}'
    for (const { metric, value } of await untilAnswered(place.prometheus, ratio, 'the disks')) {
      assert.ok(metric['device'] && value > 0 && value < 1, JSON.stringify(metric))
    }
  })

  test('promtool finds nothing wrong with the metrics', async () => {
    for (const origin of place.origins) {
      const headers = { authorization: `Bearer ${TOKEN}` }
      const input = await (await fetch(`${origin}/metrics`, { headers })).text()
      assert.match(input, /^tallymark_build_info\{/m)
      const { stdout, stderr, status } = spawnSync(toolPath('promtool'), ['check', 'metrics'], {
        input,
        encoding: 'utf8',
      })
      assert.equal(status, 0, `${stdout}\n${stderr}`)
    }
  })

  test('O20: at rest each process has accepted or refused what it received, and the positions are what was counted', async () => {
    const { prometheus } = place
    await place.rest()
    const atRest = async (expression: string, isTrue: (samples: readonly Sample[]) => boolean) =>
      await until(`at rest ${expression}`, async () => isTrue(await prometheus.query(expression)))
    await atRest('tallymark:clicks_unsettled', (samples) => {
      return samples.length === place.origins.length && samples.every(({ value }) => value === 0)
    })
    const takers = await prometheus.query('tallymark_clicks_received_total > 0')
    assert.equal(takers.length, 2)
    await until('the positions are what was counted', async () => {
      const positions = await one(
        prometheus,
        'sum(max by (partition) (tallymark_partition_position{installation="kafka"}))',
      )
      const counted = await one(
        prometheus,
        `sum({__name__=~"tallymark_(clicks_counted|clicks_duplicate|dead_letters)_total",installation="kafka"})`,
      )
      return positions !== undefined && positions === counted
    })
    const firing = 'ALERTS{alertstate="firing"}'
    await untilAnswered(prometheus, firing, 'the alert of dead letters')
    assert.deepEqual(
      (await prometheus.query(firing)).map(({ metric }) => [
        metric['alertname'],
        metric['installation'],
      ]),
      [['TallymarkDeadLetters', 'kafka']],
    )
  })
})
