import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ErrorCode } from './errors.ts'

const CLICKS_BUCKETS = [1, 3, 10, 30, 100, 300, 1_000, 3_000]
const SECONDS_BUCKETS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]

/**
 * Every metric of the service. received = accepted + refused + those under way.
 *
 * The counters of single clicks are plain numbers, read when Prometheus asks: a labelled `inc()`
 * costs more than the rest of the bookkeeping of a click.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly clicks = { received: 0, accepted: 0, refused: new Map<ErrorCode, number>() }
  /** Reads how many clicks are not yet durable or refused; the log's, once there is one. */
  waiting: () => number = () => 0
  /** Reads how many partitions of the log this process counts. */
  partitions: () => number = () => 0
  /** Reads how many of their records are known to wait. */
  logWaiting: () => number = () => 0
  /** Reads how many streams of live counts there are. */
  streams: () => number = () => 0
  /** Reads how many connections are open. */
  connections: () => number = () => 0
  readonly connectionsDropped: Counter
  readonly late: Counter
  readonly keysPurged: Counter
  readonly sends: Counter<'outcome'>
  readonly sendClicks: Histogram
  readonly sendSeconds: Histogram
  readonly attempts: Counter<'outcome'>
  readonly batchClicks: Histogram
  readonly commitSeconds: Histogram

  constructor() {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry, prefix: 'tallymark_' })
    this.#counter(
      'clicks_received_total',
      'Count requests that arrived.',
      () => this.clicks.received,
    )
    this.#counter(
      'clicks_accepted_total',
      'Clicks answered 200: durable.',
      () => this.clicks.accepted,
    )
    const { refused } = this.clicks
    new Counter({
      name: 'tallymark_clicks_refused_total',
      help: 'Count requests that were not answered 200, by error code.',
      labelNames: ['code'],
      registers,
      collect() {
        this.reset()
        for (const [code, count] of refused) this.inc({ code }, count)
      },
    })
    this.#gauge('clicks_waiting', 'Clicks that are not yet durable or refused.', () =>
      this.waiting(),
    )
    this.#gauge('partitions', 'Partitions of the click log that are counted here.', () =>
      this.partitions(),
    )
    this.#gauge('log_waiting_records', 'Records of these that wait to be counted.', () =>
      this.logWaiting(),
    )
    this.#gauge('live_streams', 'Readers that follow /live.', () => this.streams())
    this.#gauge('connections', 'Open connections.', () => this.connections())
    this.connectionsDropped = new Counter({
      name: 'tallymark_connections_dropped_total',
      help: 'New connections for which CONNECTIONS_MAX left no room.',
      registers,
    })
    this.late = new Counter({
      name: 'tallymark_clicks_late_total',
      help: 'Clicks that were counted after they had been answered store_unavailable.',
      registers,
    })
    this.keysPurged = new Counter({
      name: 'tallymark_keys_purged_total',
      help: 'Idempotency keys that were forgotten after KEY_RETENTION_HOURS.',
      registers,
    })
    this.attempts = new Counter({
      name: 'tallymark_commits_total',
      help: 'Attempts to commit a batch, by outcome.',
      labelNames: ['outcome'],
      registers,
    })
    this.sends = new Counter({
      name: 'tallymark_sends_total',
      help: 'Sends to Kafka, by outcome: taken, or given-up (not known to be durable).',
      labelNames: ['outcome'],
      registers,
    })
    this.sendClicks = new Histogram({
      name: 'tallymark_send_clicks',
      help: 'Clicks in a send to Kafka.',
      buckets: CLICKS_BUCKETS,
      registers,
    })
    this.sendSeconds = new Histogram({
      name: 'tallymark_send_seconds',
      help: 'Duration of a send to Kafka.',
      buckets: SECONDS_BUCKETS,
      registers,
    })
    this.batchClicks = new Histogram({
      name: 'tallymark_commit_clicks',
      help: 'Clicks in a batch.',
      buckets: CLICKS_BUCKETS,
      registers,
    })
    this.commitSeconds = new Histogram({
      name: 'tallymark_commit_seconds',
      help: 'Duration of an attempt to commit a batch.',
      buckets: SECONDS_BUCKETS,
      registers,
    })
  }

  refuse(code: ErrorCode): void {
    const { refused } = this.clicks
    refused.set(code, (refused.get(code) ?? 0) + 1)
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `tallymark_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }

  #counter(name: string, help: string, read: () => number): void {
    new Counter({
      name: `tallymark_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }
}
