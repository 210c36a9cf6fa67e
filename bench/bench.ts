// `npm run bench`: Tallymark beside a bare Fastify route, in turn, in one run, and memory over millions
// of clicks, first with the embedded store, then on Postgres; at last the start.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase } from '../test/support/database.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { anyBanner, compare, comparisonRows, CONNECTIONS, ROUND_MS, type Pair } from './compare.ts'
import { load } from './load.ts'
import { median, say, writeSection } from './report.ts'
import { startServer, type Server } from './server.ts'
import { startMs } from './start.ts'

const MEMORY_CLICKS = Number(process.env['BENCH_CLICKS'] ?? 5_000_000)
const MEMORY_SAMPLES = 10
const MIB = 1024 * 1024
const STARTS = 10
const [BARE_PORT, SERVICE_PORT, START_PORT] = [18_470, 18_471, 18_472]
const COMMAND = 'npm run bench'

interface Measured {
  readonly pairs: readonly Pair[]
  /** Resident memory in MiB after each tenth of the clicks. */
  readonly rss: readonly number[]
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-bench-'))
try {
  await using bare = await startServer(BARE_PORT, ['bench/bare.ts', String(BARE_PORT)], {})
  const embedded = await measure(bare, { DATA_DIR: folder })
  const onPostgres = await measureOnPostgres(bare)
  await writeComparison(embedded.pairs, onPostgres.pairs)
  await writeMemory(embedded.rss, onPostgres.rss)
  await writeStarts(await starts())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** After the embedded store, so that no Postgres writes to the disk meanwhile. */
async function measureOnPostgres(bare: Server): Promise<Measured> {
  await using postgres = await startPostgres({ isDurable: true })
  await using database = await createDatabase(postgres.url)
  return await measure(bare, { DATABASE_URL: database.url })
}

async function measure(bare: Server, settings: Record<string, string>): Promise<Measured> {
  await using service = await startServer(SERVICE_PORT, ['run.mjs', 'dist/main.js'], {
    ...settings,
    PORT: String(SERVICE_PORT),
    LOG_LEVEL: 'warn',
  })
  return { pairs: await compare(bare, service), rss: await memory(service) }
}

async function memory(service: Server): Promise<number[]> {
  const samples: number[] = []
  for (let sample = 0; sample < MEMORY_SAMPLES; sample += 1) {
    await load({
      port: service.port,
      connections: CONNECTIONS,
      path: anyBanner,
      isOver: (requests) => requests >= MEMORY_CLICKS / MEMORY_SAMPLES,
    })
    samples.push(service.rssBytes() / MIB)
    say('RSS in MiB', samples.at(-1))
  }
  return samples
}

/** Milliseconds that each of several starts took; the folder has a store. */
async function starts(): Promise<number[]> {
  const own = join(folder, 'start')
  const taken: number[] = []
  for (let start = 0; start <= STARTS; start += 1) taken.push(await startMs(START_PORT, own))
  say('start in ms', taken)
  return taken.slice(1) // the first made the store
}

function writeComparison(embedded: readonly Pair[], postgres: readonly Pair[]): Promise<void> {
  return writeSection(
    'Counting beside a bare Fastify route',
    COMMAND,
    `\`POST /counter/:id\` at ${CONNECTIONS} connections, banners 1 to 100 at random, against a Fastify route that
answers the same body and headers and does nothing. The requests are those of a browser, without a
body. ${embedded.length} rounds of ${ROUND_MS / 1_000} s each, in turn; medians, and the median of the rounds' ratios. CPU is that of
the whole service process, all threads; not that of Postgres. Every acknowledged click is in a
transaction that has reached the disk.

| | bare route | embedded | ratio | bare route | on Postgres | ratio |
|---|---|---|---|---|---|---|
${comparisonRows(embedded, postgres)}

The goals: embedded, throughput at least 0.85 and CPU at most 1.25; on Postgres, at least 0.6 and at
most 1.4. What is missing is the price of a commit: an fsync and two hops between threads or
processes, shared by at most ${CONNECTIONS} clicks, as many as there are connections. On two cores the load
generator, the event loop and whoever commits also wait for each other.`,
  )
}

function writeMemory(embedded: readonly number[], postgres: readonly number[]): Promise<void> {
  return writeSection(
    'Memory',
    COMMAND,
    `Resident memory of the service while it counts ${MEMORY_CLICKS.toLocaleString('en')} clicks more, after each tenth of them.
The goal: under 150 MiB, without growth.

- embedded: ${embedded.map((each) => each.toFixed(0)).join(', ')} MiB
- on Postgres: ${postgres.map((each) => each.toFixed(0)).join(', ')} MiB`,
  )
}

function writeStarts(startsMs: readonly number[]): Promise<void> {
  return writeSection(
    'Start',
    COMMAND,
    `From \`npm start\` to an open port, everything installed and built, ${startsMs.length} times: median
${median(startsMs).toFixed(0)} ms, slowest ${Math.max(...startsMs).toFixed(0)} ms. The goal: 3 s.`,
  )
}
