// `npm run stress`: loadtest/stress.js by k6 against each shape, started here with servers of its own. Ten
// minutes each; `npm run stress -- kafka` runs one, PROFILE=short takes a minute. Only the whole is written into
// docs/benchmarks.md.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin } from '@platformatic/kafka'
import { createDatabase } from '../test/support/database.ts'
import { startKafka } from '../test/support/kafka.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { freePort, temporaryFolder } from '../test/support/service.ts'
import { say, writeSection } from './report.ts'
import { startServer, type Server } from './server.ts'

const SHAPES = ['embedded', 'postgres', 'kafka'] as const
type Shape = (typeof SHAPES)[number]
const NAMES: Record<Shape, string> = {
  embedded: 'embedded',
  postgres: 'Postgres',
  kafka: 'Kafka, an api and an aggregator',
}
const { K6: k6 = 'k6', PROFILE: profile = 'full' } = process.env
const INSTALL = 'go install go.k6.io/k6@v1.8.1, or set K6 to its path'

/** What k6 writes of a metric: https://grafana.com/docs/k6/latest/results-output/end-of-test/ */
interface Summary {
  readonly metrics: {
    readonly 'http_req_duration{name:count}': Readonly<
      Record<'med' | 'p(95)' | 'p(99)' | 'max', number>
    >
    readonly 'http_req_failed{name:count}': { readonly passes: number; readonly value: number }
    readonly iterations: { readonly count: number; readonly rate: number }
    readonly clicks_unaccounted: { readonly count: number }
    readonly checks: { readonly passes: number }
  }
}

interface Run {
  readonly shape: Shape
  readonly summary: Summary
  /** Of the service's processes together, while k6 ran. */
  readonly cpuSeconds: number
  readonly rssBytes: number
  /** What a click takes in the log of Kafka. */
  readonly logBytes: number | undefined
}

interface Started {
  readonly servers: readonly [Server, ...Server[]]
  /** Bytes of the topic, where there is one. */
  readonly topicBytes?: () => Promise<number>
}

if (spawnSync(k6, ['version']).status !== 0) {
  process.stderr.write(`There is no k6; install it: ${INSTALL}\n`)
  process.exit(1)
}
const asked = process.argv.slice(2)
const unknown = asked.find((each) => !SHAPES.some((shape) => shape === each))
if (unknown !== undefined) {
  process.stderr.write(`No shape is called ${unknown}; there are ${SHAPES.join(', ')}\n`)
  process.exit(2)
}
const runs: Run[] = []
for (const shape of SHAPES)
  if (asked.length === 0 || asked.includes(shape)) runs.push(await stress(shape))
if (profile === 'full' && runs.length === SHAPES.length) await write(runs)

async function stress(shape: Shape): Promise<Run> {
  await using resources = new AsyncDisposableStack()
  const folder = resources.use(temporaryFolder())
  const { servers, topicBytes } = await startShape(shape, folder.path, resources)
  const [first] = servers
  while (!(await fetch(`http://127.0.0.1:${first.port}/readyz`)).ok) await pause(100)
  const cpu = () => servers.reduce((sum, server) => sum + server.cpuSeconds(), 0)
  const before = cpu()
  const file = join(folder.path, 'summary.json')
  const settings = ['-e', `BASE_URL=http://127.0.0.1:${first.port}`, '-e', `PROFILE=${profile}`]
  const child = spawn(
    k6,
    ['run', '--quiet', '--summary-export', file, ...settings, 'loadtest/stress.js'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  await once(child, 'exit')
  if (child.exitCode !== 0) throw new Error(`${shape}: k6 ended with ${child.exitCode}`)
  const summary = JSON.parse(readFileSync(file, 'utf8')) as Summary // what k6 writes
  const logBytes = topicBytes && (await topicBytes()) / summary.metrics.iterations.count
  const run = {
    shape,
    summary,
    logBytes,
    cpuSeconds: cpu() - before,
    rssBytes: Math.max(...servers.map((server) => server.rssBytes())),
  }
  say(shape, rowOf(run))
  return run
}

async function startShape(
  shape: Shape,
  folder: string,
  resources: AsyncDisposableStack,
): Promise<Started> {
  const start = async (settings: Readonly<Record<string, string>>) => {
    const port = await freePort()
    const own = { LOG_LEVEL: 'warn', ...settings, PORT: String(port) }
    return resources.use(await startServer(port, ['run.mjs', 'dist/main.js'], own))
  }
  if (shape === 'embedded') return { servers: [await start({ DATA_DIR: folder })] }
  const postgres = resources.use(await startPostgres({ isDurable: true }))
  const database = resources.use(await createDatabase(postgres.url))
  const settings = { DATABASE_URL: database.url }
  if (shape === 'postgres') return { servers: [await start(settings)] }
  const kafka = resources.use(await startKafka())
  const withKafka = { ...settings, KAFKA_BROKERS: kafka.brokers }
  const servers = [
    await start({ ...withKafka, ROLE: 'api' }),
    await start({ ...withKafka, ROLE: 'aggregator' }),
  ] as const
  return { servers, topicBytes: () => bytesOfTopic(kafka.brokers) }
}

async function bytesOfTopic(brokers: string): Promise<number> {
  const admin = new Admin({ clientId: 'bench', bootstrapBrokers: brokers.split(',') })
  const { partitions } = (await admin.metadata({ topics: ['clicks'] })).topics.get('clicks') ?? {}
  const whole = { name: 'clicks', partitions: Object.keys(partitions ?? {}).map(Number) }
  const answers = await admin.describeLogDirs({ topics: [whole] })
  await admin.close()
  return answers
    .flatMap(({ results }) => results)
    .flatMap(({ topics }) => topics)
    .flatMap((topic) => topic.partitions)
    .reduce((sum, { partitionSize }) => sum + Number(partitionSize), 0)
}

function rowOf({ shape, summary: { metrics }, cpuSeconds, rssBytes }: Run): string[] {
  const duration = metrics['http_req_duration{name:count}']
  const failed = metrics['http_req_failed{name:count}']
  return [
    NAMES[shape],
    metrics.checks.passes.toLocaleString('en'),
    String(metrics.clicks_unaccounted.count),
    String(failed.passes),
    ...[duration.med, duration['p(95)'], duration['p(99)'], duration.max].map((ms) =>
      ms.toFixed(1),
    ),
    ((1_000_000 * cpuSeconds) / metrics.iterations.count).toFixed(0),
    (rssBytes / 1024 / 1024).toFixed(0),
  ]
}

async function write(all: readonly Run[]): Promise<void> {
  const head = [
    'shape',
    'answered 200',
    'of these not in the statistics, or counted twice',
    'failed',
    'median ms',
    'p95 ms',
    'p99 ms',
    'slowest ms',
    'CPU µs a click',
    'RSS MiB',
  ]
  const rows = all.map((run) => `| ${rowOf(run).join(' | ')} |`).join('\n')
  await writeSection(
    'The load test',
    'npm run stress',
    `k6 with the profile of the original service: 2 minutes up to 100 users, 6 minutes up to 500, 2 minutes
down; each clicks on one of the banners 10 to 100, and pauses for 0.1 s. It must hold that 95 % of the answers
take less than 200 ms, that less than 1 % fail, and that the statistics rise by exactly the number of
answers 200. k6 takes a good part of the machine itself. CPU is that of the service's processes together, RSS
that of the largest at the end.

| ${head.join(' | ')} |
|${head.map(() => '---:').join('|')}|
${rows}

${logLine(all)}`,
  )
}

function logLine(all: readonly Run[]): string {
  const bytes = all.find(({ logBytes }) => logBytes !== undefined)?.logBytes
  return bytes === undefined
    ? ''
    : `A click without a key took ${bytes.toFixed(0)} bytes in the log of Kafka.`
}
