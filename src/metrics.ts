import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ErrorCode } from './errors.ts'

/** Buckets of histograms. */
const CLICKS = [1, 3, 10, 30, 100, 300, 1_000, 3_000]
const SECONDS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]

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
  readonly connectionsDropped: Counter<never>
  readonly late: Counter<never>
  readonly keysPurged: Counter<never>
  readonly minuteRowsPurged = this.#total(
    'minute_rows_purged_total',
    'Rows of minutes that were purged after RETENTION_MINUTES_DAYS; on Postgres a row holds an hour of a banner.',
  )
  readonly sends: Counter<'outcome'>
  readonly sendClicks: Histogram
  readonly sendSeconds: Histogram
  readonly deadLetters: Counter<never>
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
    this.connectionsDropped = this.#total(
      'connections_dropped_total',
      'New connections for which CONNECTIONS_MAX left no room.',
    )
    this.late = this.#total(
      'clicks_late_total',
      'Clicks that became durable after they had been answered store_unavailable.',
    )
    this.keysPurged = this.#total(
      'keys_purged_total',
      'Idempotency keys that were forgotten after KEY_RETENTION_HOURS.',
    )
    this.sends = this.#total(
      'sends_total',
      'Sends to Kafka, by outcome: taken, or given-up (not known to be durable).',
      ['outcome'],
    )
    this.sendClicks = this.#histogram('send_clicks', 'Clicks in a send to Kafka.', CLICKS)
    this.sendSeconds = this.#histogram('send_seconds', 'Duration of a send to Kafka.', SECONDS)
    this.deadLetters = this.#total(
      'dead_letters_total',
      'Records of the click log that could not be counted, and were kept.',
    )
    this.attempts = this.#total('commits_total', 'Attempts to commit a batch, by outcome.', [
      'outcome',
    ])
    this.batchClicks = this.#histogram('commit_clicks', 'Clicks in a batch.', CLICKS)
    this.commitSeconds = this.#histogram(
      'commit_seconds',
      'Duration of an attempt to commit a batch.',
      SECONDS,
    )
  }

  refuse(code: ErrorCode): void {
    const { refused } = this.clicks
    refused.set(code, (refused.get(code) ?? 0) + 1)
  }

  #total<L extends string = never>(name: string, help: string, labelNames: L[] = []): Counter<L> {
    return new Counter({ name: `tallymark_${name}`, help, labelNames, registers: [this.registry] })
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: `tallymark_${name}`, help, buckets, registers: [this.registry] })
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
