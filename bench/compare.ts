import { load } from './load.ts'
import { median, quantile, say } from './report.ts'
import type { Server } from './server.ts'

export const CONNECTIONS = 64
export const ROUND_MS = 4_000
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7)
const WARM_UP_MS = 3_000

interface Round {
  readonly perSecond: number
  readonly cpuMicroseconds: number
  readonly p50: number
  readonly p99: number
}

export interface Pair {
  readonly bare: Round
  readonly service: Round
}

/** Counting beside the bare route, in turn. */
export async function compare(bare: Server, service: Server): Promise<Pair[]> {
  await round(bare, WARM_UP_MS)
  await round(service, WARM_UP_MS)
  const pairs: Pair[] = []
  for (let index = 0; index < ROUNDS; index += 1) {
    pairs.push({ bare: await round(bare, ROUND_MS), service: await round(service, ROUND_MS) })
    say(`round ${index + 1}`, pairs.at(-1))
  }
  return pairs
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
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

export function anyBanner(): string {
  return `/counter/${1 + Math.floor(Math.random() * 100)}`
}

/** Rows of a table: for each series of pairs the medians of both, and of the rounds' ratios. */
export function comparisonRows(...series: readonly (readonly Pair[])[]): string {
  const row = (name: string, what: keyof Round, digits: number): string => {
    const cells = series.flatMap((pairs) => [
      median(pairs.map(({ bare }) => bare[what])).toFixed(digits),
      median(pairs.map(({ service }) => service[what])).toFixed(digits),
      median(pairs.map(({ bare, service }) => service[what] / bare[what])).toFixed(2),
    ])
    return `| ${[name, ...cells].join(' | ')} |`
  }
  return [
    row('requests a second', 'perSecond', 0),
    row('CPU a request, µs', 'cpuMicroseconds', 1),
    row('latency p50, ms', 'p50', 2),
    row('latency p99, ms', 'p99', 2),
  ].join('\n')
}
