// `npm run bench:postgres`: one, two and four processes on one database, and what a checkpoint of
// Postgres does to the latency of clicks.
import { setTimeout as pause } from 'node:timers/promises'
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
await writeScaling(await scale())
await writeSeconds(await watchSeconds())

async function scale(): Promise<Map<number, Round[]>> {
  const rounds = new Map<number, Round[]>(PROCESSES.map((processes) => [processes, []]))
  await round(services, WARM_UP_MS)
  for (let index = 0; index < ROUNDS; index += 1) {
    for (const processes of PROCESSES) {
      rounds.get(processes)?.push(await round(services.slice(0, processes), ROUND_MS))
      say(`${processes} processes`, rounds.get(processes)?.at(-1))
    }
  }
  return rounds
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

function writeScaling(rounds: ReadonlyMap<number, readonly Round[]>): Promise<void> {
  const lines = [...rounds].map(([processes, each]) => {
    const of = (what: keyof Round) => median(each.map((one) => one[what]))
    const first = rounds.get(1) ?? []
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

Load generator, services and Postgres share the cores of one machine, so this does not show how far
processes on machines of their own would go. It shows that they don't wait for each other's rows:
batches of different processes touch no common row but those of their keys, and one process at a time
merges. With the same connections shared by more processes, batches get smaller, and each still costs
a commit.`,
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
of its slowest commits: the write-ahead log shares the disk with the checkpoint's writes and fsyncs,
and after a checkpoint each page that changes is logged whole once. p99 without one is the merge,
five times a second, and processes that wait for a core.`,
  )
}

function secondsLine(name: string, chosen: readonly Float64Array[]): string {
  const quantiles = [0.5, 0.99, 0.999, 1].map((share) =>
    median(chosen.map((each) => quantile(each, share))).toFixed(2),
  )
  const slowest = Math.max(...chosen.map((each) => each.at(-1) ?? 0)).toFixed(1)
  return `| ${[name, chosen.length, ...quantiles, slowest].join(' | ')} |`
}
