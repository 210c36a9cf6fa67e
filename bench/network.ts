// `npm run bench:network`: what 10,000 idle and 1,000 slow connections cost those who click, and how
// much memory they take.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { totalOf } from '../test/support/service.ts'
import type { CrowdState } from './crowd.ts'
import { load } from './load.ts'
import { median, quantile, say, writeSection } from './report.ts'
import { startServer, type Server } from './server.ts'

const IDLE = Number(process.env['BENCH_IDLE'] ?? 10_000)
const SLOW = Number(process.env['BENCH_SLOW'] ?? 1_000)
const CONNECTIONS = 64
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5)
const PHASE_MS = 8_000
const WARM_UP_MS = 5_000
const SETTLE_MS = 2_000
const GATHER_TIMEOUT_MS = 60_000
const MIB = 1024 * 1024
const PORT = 18_473

interface Phase {
  readonly requests: number
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly p50: number
  readonly p99: number
  readonly slowest: number
}

interface Round {
  readonly alone: Phase
  readonly beside: Phase
  /** Resident memory in MiB: alone, when the crowd has gathered, and after the phase beside it. */
  readonly rss: readonly [number, number, number]
  /** At the end of the phase. */
  readonly crowdSize: number
  readonly reopenedPerSecond: number
}

interface Crowd extends AsyncDisposable {
  readonly state: CrowdState
  /** Ends it when all its clicks are answered. */
  leave(): Promise<CrowdState>
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-bench-'))
try {
  await using service = await startServer(PORT, ['run.mjs', 'dist/main.js'], {
    DATA_DIR: folder,
    PORT: String(PORT),
    LOG_LEVEL: 'warn',
  })
  await measure(service)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(service: Server): Promise<void> {
  let { requests: acknowledged } = await phase(service, WARM_UP_MS)
  const rounds: Round[] = []
  for (let index = 0; index < ROUNDS; index += 1) {
    const alone = await phase(service, PHASE_MS)
    const rssAlone = service.rssBytes() / MIB
    await using crowd = await gather()
    const rssGathered = service.rssBytes() / MIB
    const { reopened } = crowd.state
    const beside = await phase(service, PHASE_MS)
    const rssBeside = service.rssBytes() / MIB
    const { state } = crowd
    const left = await crowd.leave()
    assert.equal(left.unanswered, 0)
    await pause(SETTLE_MS) // 11,000 connections were closed at once
    acknowledged += alone.requests + beside.requests + left.acknowledged
    rounds.push({
      alone,
      beside,
      rss: [rssAlone, rssGathered, rssBeside],
      crowdSize: sizeOf(state),
      reopenedPerSecond: (state.reopened - reopened) / (PHASE_MS / 1_000),
    })
    say(`round ${index + 1}`, rounds.at(-1))
  }
  const counted = await totalOf(`http://127.0.0.1:${PORT}`)
  assert.equal(counted, acknowledged, 'every acknowledged click is counted exactly once')
  await writeResult(rounds, counted)
}

async function phase(service: Server, durationMs: number): Promise<Phase> {
  const cpuBefore = service.cpuSeconds()
  const until = performance.now() + durationMs
  const { requests, seconds, latencies } = await load({
    port: PORT,
    connections: CONNECTIONS,
    path: () => `/counter/${1 + Math.floor(Math.random() * 100)}`,
    isOver: () => performance.now() > until,
  })
  return {
    requests,
    perSecond: requests / seconds,
    cpuMicroseconds: ((service.cpuSeconds() - cpuBefore) / requests) * 1e6,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    slowest: latencies.at(-1) ?? 0,
  }
}

/** Starts the crowd and waits until all of it is there. */
async function gather(): Promise<Crowd> {
  const child = fork('bench/crowd.ts', [PORT, IDLE, SLOW].map(String))
  const exited = once(child, 'exit')
  let state: CrowdState | undefined
  child.on('message', (message) => {
    state = message as CrowdState // sent by crowd.ts
  })
  const deadline = performance.now() + GATHER_TIMEOUT_MS
  while (state === undefined || sizeOf(state) < (IDLE + SLOW) * 0.98) {
    // Some are on their way again at any time: the service closes the silent and the slow.
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill()
      throw new Error(`the crowd did not gather: ${JSON.stringify(state)}`)
    }
    await pause(50)
  }
  const last = (): CrowdState => {
    assert.ok(state !== undefined)
    return state
  }
  return {
    get state() {
      return last()
    },
    async leave() {
      child.send('leave')
      await exited
      return last()
    },
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
    },
  }
}

function sizeOf({ open }: CrowdState): number {
  return open.silent + open.idle + open.slowHeaders + open.slowBodies
}

function writeResult(rounds: readonly Round[], counted: number): Promise<void> {
  const medianOf = (value: (round: Round) => number) => median(rounds.map(value))
  const line = (name: string, what: keyof Phase, digits: number) => {
    const cells = [
      medianOf(({ alone }) => alone[what]).toFixed(digits),
      medianOf(({ beside }) => beside[what]).toFixed(digits),
      medianOf(({ alone, beside }) => beside[what] / alone[what]).toFixed(2),
    ]
    return `| ${[name, ...cells].join(' | ')} |`
  }
  const [{ rss } = { rss: [0, 0, 0] }] = rounds
  const kib = ((rss[1] - rss[0]) * 1_024) / (IDLE + SLOW)
  return writeSection(
    'Counting beside idle and slow connections',
    'npm run bench:network',
    `${CONNECTIONS} connections click as fast as they are answered: ${PHASE_MS / 1_000} s alone, then ${PHASE_MS / 1_000} s beside ${grouped(IDLE)} idle
connections (half of them silent, half kept alive after a click) and ${grouped(SLOW)} slow ones (headers or a
body at a byte a second), ${rounds.length} times in turn; medians, and the median of the rounds' ratios. The crowd
is a process of its own and opens again what the service closes at its time limits,
${grouped(Math.round(medianOf(({ reopenedPerSecond }) => reopenedPerSecond)))} connections a second; ${grouped(medianOf(({ crowdSize }) => crowdSize))} of it were there at the end of a phase.

| | alone | beside the crowd | ratio |
|---|---|---|---|
${line('acknowledged clicks a second', 'perSecond', 0)}
${line('CPU a click, µs', 'cpuMicroseconds', 1)}
${line('latency p50, ms', 'p50', 2)}
${line('latency p99, ms', 'p99', 2)}
${line('slowest, ms', 'slowest', 1)}

All ${grouped(counted)} acknowledged clicks were counted, exactly once. The crowd shares the two cores
with the service and the load generator. Resident memory of the service in the first round: ${rss[0].toFixed(0)} MiB
alone, ${rss[1].toFixed(0)} MiB when the crowd had gathered (${kib.toFixed(1)} KiB a connection), ${rss[2].toFixed(0)} MiB after counting beside it; ${rounds.at(-1)?.rss[2].toFixed(0) ?? ''} MiB
at the end of the last round.`,
  )
}

function grouped(each: number): string {
  return each.toLocaleString('en')
}
