// `npm run bench`: Tallymark beside a bare Fastify route, in turn, in one run; then memory over
// millions of clicks; then the start. Writes docs/benchmarks.md. A ratio of two things measured in one run says
// more than a figure of either: machines differ, and are busy.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { format } from 'prettier'
import { load } from './load.ts'
import { startServer, type Server } from './server.ts'
import { startMs } from './start.ts'

const CONNECTIONS = 64
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7)
const ROUND_MS = 4_000
const WARM_UP_MS = 3_000
const MEMORY_CLICKS = Number(process.env['BENCH_CLICKS'] ?? 5_000_000)
const MEMORY_SAMPLES = 10
const MIB = 1024 * 1024
const STARTS = 10
const [BARE_PORT, SERVICE_PORT, START_PORT] = [18_470, 18_471, 18_472]

interface Round {
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly p50: number
  readonly p99: number
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-bench-'))
try {
  await using bare = await startServer(BARE_PORT, ['bench/bare.ts', String(BARE_PORT)], {})
  await using service = await startServer(SERVICE_PORT, ['run.mjs', 'dist/main.js'], {
    PORT: String(SERVICE_PORT),
    DATA_DIR: folder,
  })
  const text = page(await compare(bare, service), await memory(service), await starts())
  const options = { parser: 'markdown', printWidth: 100 } as const
  writeFileSync('docs/benchmarks.md', await format(text, options))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function compare(bare: Server, service: Server): Promise<{ bare: Round; service: Round }[]> {
  await round(bare, WARM_UP_MS)
  await round(service, WARM_UP_MS)
  const rounds: { bare: Round; service: Round }[] = []
  for (let index = 0; index < ROUNDS; index += 1) {
    rounds.push({ bare: await round(bare, ROUND_MS), service: await round(service, ROUND_MS) })
    say(`round ${index + 1}`, rounds.at(-1))
  }
  return rounds
}

async function round(server: Server, durationMs: number): Promise<Round> {
  const cpuBefore = server.cpuSeconds()
  const until = performance.now() + durationMs
  const { requests, seconds, latencies } = await load({
    port: server.port,
    connections: CONNECTIONS,
    path: anyBanner,
    isOver: () => performance.now() > until,
  })
  return {
    perSecond: requests / seconds,
    cpuMicroseconds: ((server.cpuSeconds() - cpuBefore) / requests) * 1e6,
    p50: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  }
}

/** Resident memory after each tenth of the clicks. */
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

function anyBanner(): string {
  return `/counter/${1 + Math.floor(Math.random() * 100)}`
}

function page(
  rounds: readonly { bare: Round; service: Round }[],
  rss: readonly number[],
  startsMs: readonly number[],
): string {
  const of = (which: 'bare' | 'service', what: keyof Round) =>
    median(rounds.map((each) => each[which][what]))
  const ratio = (what: keyof Round) =>
    median(rounds.map(({ bare, service }) => service[what] / bare[what])).toFixed(2)
  const line = (name: string, what: keyof Round, digits: number) =>
    `| ${name} | ${of('bare', what).toFixed(digits)} | ${of('service', what).toFixed(digits)} | ${ratio(what)} |`
  return `# Benchmarks

Written by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: Node ${process.version},
${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Linux, the load generator on the same machine.

## Counting beside a bare Fastify route

\`POST /counter/:id\` at ${CONNECTIONS} connections, banners 1 to 100 at random, against a Fastify route that
answers the same body and headers and does nothing. The requests are those of a browser, without a
body. ${rounds.length} rounds of ${ROUND_MS / 1_000} s each, in turn; medians, and
the median of the rounds' ratios. CPU is that of the whole server process, all threads. Every
acknowledged click is in a transaction that has reached the disk.

| | bare route | Tallymark | ratio |
|---|---|---|---|
${line('requests a second', 'perSecond', 0)}
${line('CPU a request, µs', 'cpuMicroseconds', 1)}
${line('latency p50, ms', 'p50', 2)}
${line('latency p99, ms', 'p99', 2)}

The goals: throughput at least 0.85, CPU at most 1.25. What is missing is the price of a commit: an
fsync and two hops between threads, shared by at most 64 clicks, as many as there are connections. On
two cores the load generator, the event loop and the writer's thread also wait for each other.

## Memory

Resident memory of the service while it counts ${MEMORY_CLICKS.toLocaleString('en')} clicks more, after each tenth of them: ${rss.map((each) => each.toFixed(0)).join(', ')} MiB. The goal: under 150 MiB, without growth.

## Start

From \`npm start\` to an open port, everything installed and built, ${startsMs.length} times: median
${median(startsMs).toFixed(0)} ms, slowest ${Math.max(...startsMs).toFixed(0)} ms. The goal: 3 s.
`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function say(what: string, value: unknown): void {
  process.stdout.write(`${what}: ${JSON.stringify(value)}\n`)
}
