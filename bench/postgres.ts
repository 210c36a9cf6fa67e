// `npm run bench:postgres`: one, two and four processes on one database, and what a checkpoint of
// Postgres does to the latency of clicks.
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { createDatabase, runSql } from '../test/support/database.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { load } from './load.ts'
import { median, quantile, say, writeSection } from './report.ts'
import { startServer, type Server } from './server.ts'

const CONNECTIONS = 64
const PROCESSES = [1, 2, 4] as const
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5)
const ROUND_MS = 4_000
const WARM_UP_MS = 2_000
const SECONDS = 30
const CHECKPOINT_AFTER_SECONDS = 15
const FIRST_PORT = 18_480
const COMMAND = 'npm run bench:postgres'

interface Round {
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly p50: number
  readonly p99: number
}

await using postgres = await startPostgres({ isDurable: true })
await using database = await createDatabase(postgres.url)
await using closing = new AsyncDisposableStack()
const services: Server[] = []
for (let index = 0; index < Math.max(...PROCESSES); index += 1) {
  const port = FIRST_PORT + index
  const settings = { PORT: String(port), DATABASE_URL: database.url }
  services.push(closing.use(await startServer(port, ['run.mjs', 'dist/main.js'], settings)))
}
const lockWaits = watchLocks()
const rounds = await scale()
await writeScaling(rounds, await lockWaits.stop())
await writeSeconds(await watchSeconds())

async function scale(): Promise<Map<number, Round[]>> {
  const taken = new Map<number, Round[]>(PROCESSES.map((processes) => [processes, []]))
  await round(services, WARM_UP_MS)
  for (let index = 0; index < ROUNDS; index += 1) {
    for (const processes of PROCESSES) {
      taken.get(processes)?.push(await round(services.slice(0, processes), ROUND_MS))
      say(`${processes} processes`, taken.get(processes)?.at(-1))
    }
  }
  return taken
}

/** Looks for commits that wait for a lock, fifty times a second. */
function watchLocks(): { stop(): Promise<{ looks: number; waits: number }> } {
  const found = { looks: 0, waits: 0 }
  let isOver = false
  const looking = (async () => {
    const client = new Client(database.url)
    await client.connect()
    for (; !isOver; found.looks += 1) {
      const { rowCount } = await client.query(
        `select from pg_stat_activity
         where application_name = 'tallymark commits' and wait_event_type = 'Lock'`,
      )
      found.waits += rowCount ?? 0
      await pause(20)
    }
    await client.end()
  })()
  return {
    async stop() {
      isOver = true
      await looking
      return found
    },
  }
}

/** The same number of connections in all, shared by the processes. */
async function round(used: readonly Server[], durationMs: number): Promise<Round> {
  const cpuBefore = cpuOf(used)
  const until = performance.now() + durationMs
  const loads = await Promise.all(
    used.map(({ port }) =>
      load({
        port,
        connections: CONNECTIONS / used.length,
        path: anyBanner,
        isOver: () => performance.now() > until,
      }),
    ),
  )
  const requests = loads.reduce((sum, each) => sum + each.requests, 0)
  const latencies = loads.flatMap((each) => [...each.latencies]).toSorted((a, b) => a - b)
  return {
    perSecond: requests / (durationMs / 1_000),
    cpuMicroseconds: ((cpuOf(used) - cpuBefore) / requests) * 1e6,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

function cpuOf(used: readonly Server[]): number {
  return used.reduce((sum, service) => sum + service.cpuSeconds(), 0)
}

/** Latencies of each second of load on one process; a checkpoint is asked for in between. */
async function watchSeconds(): Promise<{ seconds: Float64Array[]; checkpointMs: number }> {
  const [service] = services
  if (service === undefined) throw new Error('no service')
  await runSql(database.url, 'checkpoint')
  const checkpoint = pause(CHECKPOINT_AFTER_SECONDS * 1_000).then(async () => {
    const startedAt = performance.now()
    await runSql(database.url, 'checkpoint')
    return performance.now() - startedAt
  })
  const seconds: Float64Array[] = []
  for (let second = 0; second < SECONDS; second += 1) {
    const until = performance.now() + 1_000
    const { latencies } = await load({
      port: service.port,
      connections: CONNECTIONS,
      path: anyBanner,
      isOver: () => performance.now() > until,
    })
    seconds.push(latencies)
    say(`second ${second}`, { p99: quantile(latencies, 0.99), slowest: latencies.at(-1) })
  }
  return { seconds, checkpointMs: await checkpoint }
}

function anyBanner(): string {
  return `/counter/${1 + Math.floor(Math.random() * 100)}`
}

function writeScaling(
  measured: ReadonlyMap<number, readonly Round[]>,
  locks: { readonly looks: number; readonly waits: number },
): Promise<void> {
  const lines = [...measured].map(([processes, each]) => {
    const of = (what: keyof Round) => median(each.map((one) => one[what]))
    const first = measured.get(1) ?? []
    const ratio = median(each.map((one, index) => one.perSecond / (first[index]?.perSecond ?? NaN)))
    return `| ${processes} | ${of('perSecond').toFixed(0)} | ${ratio.toFixed(2)} | ${of('cpuMicroseconds').toFixed(1)} | ${of('p50').toFixed(2)} | ${of('p99').toFixed(2)} |`
  })
  return writeSection(
    'Several processes on one Postgres',
    COMMAND,
    `${CONNECTIONS} connections in all, shared by the processes, which count the same 100 banners. ${ROUNDS} rounds of
${ROUND_MS / 1_000} s each, in turn; medians.

| processes | requests a second | ratio to one | CPU a request, µs | p50, ms | p99, ms |
|---|---|---|---|---|---|
${lines.join('\n')}

Load generator, services and Postgres share the cores of one machine, so more processes only shared
what there was: with the same connections their batches are smaller, and each still costs a commit. So
this does not show how far processes on machines of their own would go, but it shows what they would
not do, which is wait for each other: batches of different processes touch no common row but those of
their keys, and one process at a time merges. Of ${locks.looks.toLocaleString('en')} looks at the commits under way, ${locks.waits} saw one that
waited for a lock.`,
  )
}

function writeSeconds({
  seconds,
  checkpointMs,
}: {
  seconds: readonly Float64Array[]
  checkpointMs: number
}): Promise<void> {
  const last = CHECKPOINT_AFTER_SECONDS + Math.ceil(checkpointMs / 1_000)
  const during = seconds.slice(CHECKPOINT_AFTER_SECONDS, last + 1)
  const others = [...seconds.slice(1, CHECKPOINT_AFTER_SECONDS), ...seconds.slice(last + 1)]
  return writeSection(
    'Latency on Postgres, second by second',
    COMMAND,
    `${CONNECTIONS} connections to one process for ${SECONDS} s; after ${CHECKPOINT_AFTER_SECONDS} s a checkpoint is asked for, which writes everything
at once (it took ${checkpointMs.toFixed(0)} ms; Postgres's own spread over minutes). Medians of the seconds, in ms.

| | seconds | p50 | p99 | p99.9 | slowest | slowest of all |
|---|---|---|---|---|---|---|
${secondsLine('without a checkpoint', others)}
${secondsLine('with the checkpoint', during)}

A click waits for the batch before its own and for its own, so the slowest clicks of a second are those
of its slowest commits. Those come while Postgres merges, twice a second: that takes one of two cores
for some milliseconds. With merges put off for the run, p99 was 3.3 to 4.3 ms; with five a second it was
5.6 to 6.2. A commit appends one row, so a checkpoint finds few pages to write, and few have to be
logged whole after it.`,
  )
}

function secondsLine(name: string, chosen: readonly Float64Array[]): string {
  const quantiles = [0.5, 0.99, 0.999, 1].map((share) =>
    median(chosen.map((each) => quantile(each, share))).toFixed(2),
  )
  const slowest = Math.max(...chosen.map((each) => each.at(-1) ?? 0)).toFixed(1)
  return `| ${[name, chosen.length, ...quantiles, slowest].join(' | ')} |`
}
