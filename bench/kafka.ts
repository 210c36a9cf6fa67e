// `npm run bench:kafka`: the two services over a Kafka and a Postgres on the same machine. Counting beside
// a bare Fastify route; a backlog; and how long after its acknowledgement a click is in the answers.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { ProduceAcks, Producer } from '@platformatic/kafka'
import { createDatabase, runSql } from '../test/support/database.ts'
import { startKafka } from '../test/support/kafka.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { encodeRecord } from '../src/log/kafka/record.ts'
import { compare, comparisonRows, CONNECTIONS, ROUND_MS, type Pair } from './compare.ts'
import { median, quantile, say, writeSection } from './report.ts'
import { startServer, type Server } from './server.ts'

const COMMAND = 'npm run bench:kafka'
const MIB = 1024 * 1024
const PARTITIONS = 6
const BACKLOG = Number(process.env['BENCH_BACKLOG'] ?? 5_000_000)
const SEND = 5_000
const STEADY_PER_SECOND = 2_000
const STEADY_WARM_UP_MS = 3_000
const PROBES = Number(process.env['BENCH_PROBES'] ?? 300)
const PROBE_PAUSE_MS = 30
const [BARE_PORT, API_PORT, AGGREGATOR_PORT] = [18_475, 18_476, 18_477]

interface Settings extends Record<string, string> {
  readonly KAFKA_BROKERS: string
  readonly DATABASE_URL: string
}

await using postgres = await startPostgres({ isDurable: true })
await using kafka = await startKafka()
await using database = await createDatabase(postgres.url)
const settings: Settings = {
  KAFKA_BROKERS: kafka.brokers,
  KAFKA_PARTITIONS: String(PARTITIONS),
  DATABASE_URL: database.url,
  LOG_LEVEL: 'warn',
}
await writeComparison(await compareApi())
await writeFreshness(await freshness())
await writeBacklog(await backlog())

/** Nobody counts meanwhile: what is measured is one process. */
async function compareApi(): Promise<Pair[]> {
  await using bare = await startServer(BARE_PORT, ['bench/bare.ts', String(BARE_PORT)], {})
  await using api = await startRole('api', API_PORT, settings)
  await untilReady(api)
  return await compare(bare, api)
}

function startRole(role: string, port: number, own: Settings): Promise<Server> {
  return startServer(port, ['run.mjs', 'dist/main.js'], {
    ...own,
    ROLE: role,
    PORT: String(port),
  })
}

async function untilReady({ port }: Server): Promise<void> {
  while (!(await fetch(`http://127.0.0.1:${port}/readyz`)).ok) await pause(50)
}

interface Freshness {
  readonly acks: { readonly accepted: number; readonly p50: number; readonly p99: number }
  /** Milliseconds from the acknowledgement of a click to an answer that has it, sorted. */
  readonly visible: readonly number[]
}

async function freshness(): Promise<Freshness> {
  await using api = await startRole('api', API_PORT, settings)
  await using aggregator = await startRole('aggregator', AGGREGATOR_PORT, settings)
  await untilReady(api)
  await untilReady(aggregator)
  await untilCounted()
  const args = ['bench/steady.ts', String(API_PORT), String(STEADY_PER_SECOND)]
  const load = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const printed = text(load.stdout)
  await pause(STEADY_WARM_UP_MS)
  const visible: number[] = []
  for (let probe = 0; probe < PROBES; probe += 1) {
    visible.push(await probeMs(api.port, probe))
    await pause(PROBE_PAUSE_MS * Math.random())
  }
  load.kill()
  await once(load, 'exit')
  const acks = JSON.parse(await printed) as Freshness['acks'] // what bench/steady.ts prints
  say('acks', acks)
  return { acks, visible: visible.toSorted((a, b) => a - b) }
}

/** Of a click of a banner that nobody else clicks. */
async function probeMs(port: number, probe: number): Promise<number> {
  const id = 1_000_000 + probe
  await runSql(
    database.url,
    `with changed as (update registry set version = version + 1 returning version)
     insert into banners (id, name, status, created_at, version)
     select $1, 'Probe', 'active', 0, version from changed`,
    [id],
  )
  const counter = await fetch(`http://127.0.0.1:${port}/counter/${id}`, { method: 'POST' })
  await counter.text()
  const acknowledgedAt = performance.now()
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/stats/${id}`)
    const { total } = (await answer.json()) as { total: number } // see docs/api.md
    if (total === 1) return performance.now() - acknowledgedAt
  }
}

interface Backlog {
  readonly perSecond: number
  readonly rss: readonly number[]
}

async function backlog(): Promise<Backlog> {
  await fillLog()
  const before = await countedRecords()
  await using aggregator = await startRole('aggregator', AGGREGATOR_PORT, settings)
  const rss: number[] = []
  while ((await countedRecords()) === before) await pause(20)
  const startedAt = performance.now()
  const begun = await countedRecords()
  for (;;) {
    await pause(200)
    rss.push(aggregator.rssBytes() / MIB)
    const counted = await countedRecords()
    if (counted < before + BACKLOG) continue
    const perSecond = (counted - begun) / ((performance.now() - startedAt) / 1_000)
    say('backlog', { perSecond, rss: Math.max(...rss) })
    return { perSecond, rss }
  }
}

async function fillLog(): Promise<void> {
  await untilCounted()
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [kafka.brokers] })
  for (let sent = 0, partition = 0; sent < BACKLOG; sent += SEND, partition += 1) {
    const messages = Array.from({ length: SEND }, () => ({
      topic: 'clicks',
      partition: partition % PARTITIONS,
      value: encodeRecord({
        bannerId: 1 + Math.floor(Math.random() * 100),
        tally: 'click',
        at: Date.now(),
      }),
    }))
    await producer.send({ messages, acks: ProduceAcks.ALL })
  }
  await producer.close()
}

/** An aggregator on its own counts what is left before it stops, and a service takes its time. */
async function untilCounted(): Promise<void> {
  await using aggregator = await startRole('aggregator', AGGREGATOR_PORT + 1, settings)
  await untilReady(aggregator)
  for (let last = -1; last !== (await countedRecords());) {
    last = await countedRecords()
    await pause(2_000)
  }
}

async function countedRecords(): Promise<number> {
  const [row] = await runSql(
    database.url,
    `select coalesce(sum(next), 0)::float8 as counted from positions where source like 'clicks/%'`,
  )
  return Number(row?.['counted'])
}

function writeComparison(pairs: readonly Pair[]): Promise<void> {
  return writeSection(
    'Counting into Kafka beside a bare Fastify route',
    COMMAND,
    `\`POST /counter/:id\` of a process with \`ROLE=api\` at ${CONNECTIONS} connections, as above, with a broker of
${PARTITIONS} partitions on the same cores; nobody counts meanwhile. ${pairs.length} rounds of ${ROUND_MS / 1_000} s each, in turn; medians, and
the median of the rounds' ratios. CPU is that of the process alone.

| | bare route | ROLE=api | ratio |
|---|---|---|---|
${comparisonRows(pairs)}

The goals: throughput at least 0.6, CPU at most 1.5.`,
  )
}

function writeFreshness({ acks, visible }: Freshness): Promise<void> {
  const ms = (share: number): string => quantile(visible, share).toFixed(0)
  return writeSection(
    'From the acknowledgement to the answers',
    COMMAND,
    `One process with \`ROLE=api\`, one with \`ROLE=aggregator\`, ${STEADY_PER_SECOND.toLocaleString('en')} clicks a second. ${visible.length} clicks of
banners of their own, each asked for again and again from its acknowledgement until it was in the
answer: p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms, slowest ${ms(1)} ms. The acknowledgements of the others: p50 ${acks.p50.toFixed(1)} ms,
p99 ${acks.p99.toFixed(1)} ms. The goals: 100 ms and 20 ms at p99.`,
  )
}

function writeBacklog({ perSecond, rss }: Backlog): Promise<void> {
  return writeSection(
    'Counting a backlog',
    COMMAND,
    `One process with \`ROLE=aggregator\`, ${BACKLOG.toLocaleString('en')} records of 100 banners in ${PARTITIONS} partitions:
${Math.round(perSecond).toLocaleString('en')} clicks a second, resident memory ${median(rss).toFixed(0)} MiB, at most ${Math.max(...rss).toFixed(0)}. The goals: 60,000 clicks a second
within 150 MiB.`,
  )
}
