import { collectDefaultMetrics } from 'prom-client'
import type { ErrorCode } from './errors.ts'
import { DeclaredMetrics, type Read } from './lib/declared-metrics.ts'
import { PlainHistogram } from './lib/plain-histogram.ts'
import { RouteFigures } from './lib/route-figures.ts'

/** Buckets of histograms: up to a full batch, and beyond every time-out of store and brokers. */
const CLICKS = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 5_000]
const SECONDS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30]
const ACK_SECONDS = [
  0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5,
]
/** Of how many partitions there are lines: the lowest numbers. Sums are of all. */
const PARTITIONS_SHOWN = 200
/** The route of a request that has none. */
const NO_ROUTE = 'none'

/** The questions that metrics answer, and the sections of docs/metrics.md. */
const SECTIONS = {
  well: 'Is it well?',
  traffic: 'What is asked of it?',
  counting: 'Is it counting?',
  kafka: 'Does Kafka keep up?',
  store: 'How is the store?',
} as const

export const METRIC_SECTIONS: readonly string[] = Object.values(SECTIONS)

interface PartitionFigures {
  readonly number: number
  readonly position: number
  readonly waiting: number
}

/** What is read when Prometheus asks; set by whoever has it. */
interface Readings {
  /** Clicks that are not yet durable or refused; the log's, once there is one. */
  waiting: Read
  /** Partitions of the log that this process counts. */
  partitions: Read
  /** Those that this process knows of, by number; undefined: none yet, or there is no such log. */
  eachPartition: () => readonly PartitionFigures[] | undefined
  /** Streams of live counts. */
  streams: Read
  /** Open connections. */
  connections: Read
  banners: Read
  bannersSilent: Read
  lagSeconds: Read
  clockAheadSeconds: Read
  tickerSeconds: Read
  unmergedBatches: Read
  mergeFailures: Read
  deadLetters: Read
  databaseBytes: Read
  diskFreeBytes: Read
  diskSizeBytes: Read
  /** The parts of /readyz. */
  parts: () => readonly { readonly name: string; readonly trouble: string | undefined }[]
  build: () => Readonly<Record<'version' | 'store' | 'log' | 'role', string>> | undefined
}

const NOTHING = (): undefined => undefined

/**
 * Every metric of the service. received = accepted + refused + those under way.
 *
 * What happens with every click or request is counted in plain numbers, read when Prometheus asks: a
 * labelled `inc()` costs more than the rest of the bookkeeping of a click.
 */
export class Metrics {
  readonly #declared = new DeclaredMetrics('tallymark_')
  readonly clicks = { received: 0, accepted: 0, refused: new Map<ErrorCode, number>() }
  /** Of the batches that this process has committed. */
  readonly tallied = { counted: 0, duplicates: 0, unsettled: 0, deadLetters: 0 }
  readonly ackSeconds = new PlainHistogram(ACK_SECONDS)
  readonly read: Readings = {
    waiting: () => 0,
    partitions: () => 0,
    eachPartition: NOTHING,
    streams: () => 0,
    connections: () => 0,
    banners: NOTHING,
    bannersSilent: NOTHING,
    lagSeconds: NOTHING,
    clockAheadSeconds: NOTHING,
    tickerSeconds: () => 0,
    unmergedBatches: NOTHING,
    mergeFailures: () => 0,
    deadLetters: NOTHING,
    databaseBytes: NOTHING,
    diskFreeBytes: NOTHING,
    diskSizeBytes: NOTHING,
    parts: () => [],
    build: NOTHING,
  }
  readonly #routes = new Map<string, RouteFigures>([[NO_ROUTE, new RouteFigures()]])

  readonly connectionsDropped = this.#declared.total(
    SECTIONS.traffic,
    'connections_dropped_total',
    'New connections for which CONNECTIONS_MAX left no room.',
  )
  readonly late = this.#declared.total(
    SECTIONS.counting,
    'clicks_late_total',
    'Clicks that became durable after they had been answered store_unavailable.',
  )
  readonly attempts = this.#declared.total(
    SECTIONS.counting,
    'commits_total',
    'Attempts to commit a batch, by outcome: counted; superseded (another process has counted it); in-doubt (the store did not answer: it is asked again); rejected (the batch is cut until the record is found that cannot be counted).',
    ['outcome'],
  )
  readonly batchClicks = this.#declared.histogram(
    SECTIONS.counting,
    'commit_clicks',
    'Clicks in a batch that was to be committed.',
    CLICKS,
  )
  readonly commitSeconds = this.#declared.histogram(
    SECTIONS.counting,
    'commit_seconds',
    'Duration of an attempt to commit a batch.',
    SECONDS,
  )
  readonly keysPurged = this.#declared.total(
    SECTIONS.store,
    'keys_purged_total',
    'Idempotency keys that were forgotten after KEY_RETENTION_HOURS.',
  )
  readonly minuteRowsPurged = this.#declared.total(
    SECTIONS.store,
    'minute_rows_purged_total',
    'Rows of minutes that were purged after RETENTION_MINUTES_DAYS; on Postgres a row holds an hour of a banner.',
  )
  readonly sends = this.#declared.total(
    SECTIONS.kafka,
    'sends_total',
    'Sends to Kafka, by outcome: taken, or given-up (not known to be durable).',
    ['outcome'],
  )
  readonly sendClicks = this.#declared.histogram(
    SECTIONS.kafka,
    'send_clicks',
    'Clicks in a send to Kafka.',
    CLICKS,
  )
  readonly sendSeconds = this.#declared.histogram(
    SECTIONS.kafka,
    'send_seconds',
    'Duration of a send to Kafka.',
    SECONDS,
  )

  constructor() {
    collectDefaultMetrics({ register: this.#declared.registry, prefix: 'tallymark_' })
    // Gauges with the ending of counters, beside which stands the same by kind.
    for (const kind of ['handles', 'requests', 'resources']) {
      this.registry.removeSingleMetric(`tallymark_nodejs_active_${kind}_total`)
    }
    for (const outcome of ['counted', 'superseded', 'in-doubt', 'rejected']) {
      this.attempts.inc({ outcome }, 0)
    }
    for (const outcome of ['taken', 'given-up']) this.sends.inc({ outcome }, 0)
    this.#declareWell()
    this.#declareTraffic()
    this.#declareCounting()
    this.#declareKafka()
    this.#declareStore()
  }

  get registry() {
    return this.#declared.registry
  }

  /** For docs/metrics.md. */
  get described() {
    return this.#declared.described
  }

  /** So that the first refusal with one of these codes is a rise, and not the beginning of a line. */
  expectRefusals(codes: readonly ErrorCode[]): void {
    for (const code of codes) this.clicks.refused.set(code, 0)
  }

  refuse(code: ErrorCode): void {
    const { refused } = this.clicks
    refused.set(code, (refused.get(code) ?? 0) + 1)
  }

  tally({ counted, duplicates, unsettled, deadLetters }: Metrics['tallied']): void {
    const { tallied } = this
    tallied.counted += counted
    tallied.duplicates += duplicates
    tallied.unsettled += unsettled
    tallied.deadLetters += deadLetters
  }

  /** The figures of a route, by its pattern; without one, of requests that have none. */
  route(pattern: string = NO_ROUTE): RouteFigures {
    const known = this.#routes.get(pattern)
    if (known !== undefined) return known
    const figures = new RouteFigures()
    this.#routes.set(pattern, figures)
    return figures
  }

  #declareWell(): void {
    const { read } = this
    this.#declared.gauge(
      SECTIONS.well,
      'lag_seconds',
      'How long ago the instant was until which every acknowledged click is counted, by the clock that all processes share. It grows while the store or the log is away; until the store has said it once, there is no line.',
      () => read.lagSeconds(),
    )
    this.#declared.gauge(
      SECTIONS.well,
      'clock_ahead_seconds',
      'By how much the clock of clicks and answers is held ahead of the time, as it never goes back: it was set back, or an instant is stored that one told when it was ahead.',
      () => read.clockAheadSeconds(),
    )
    this.#declared.gauge(
      SECTIONS.well,
      'ticker_seconds',
      'MINUTES_TICKER in seconds, by which the lag may grow before it is late; 0 without it.',
      () => read.tickerSeconds(),
    )
    this.#declared.labelled(
      SECTIONS.well,
      'part_up',
      'Whether a part of the process can do its work: the parts of /readyz.',
      ['part'],
      (set) => {
        for (const { name, trouble } of read.parts()) {
          set({ part: name }, trouble === undefined ? 1 : 0)
        }
      },
    )
    this.#declared.gauge(
      SECTIONS.well,
      'banners',
      'Banners that this process knows, of every status.',
      () => read.banners(),
    )
    this.#declared.gauge(
      SECTIONS.well,
      'banners_silent',
      'Active banners with at least 10 clicks in an hour a week ago and none in the last 60 minutes until which counts are complete. Computed every 5 minutes.',
      () => read.bannersSilent(),
    )
    this.#declared.labelled(
      SECTIONS.well,
      'build_info',
      'What runs here; always 1.',
      ['version', 'store', 'log', 'role'],
      (set) => {
        const build = read.build()
        if (build !== undefined) set(build, 1)
      },
    )
  }

  #declareTraffic(): void {
    const { clicks, read } = this
    this.#declared.counter(
      SECTIONS.traffic,
      'clicks_received_total',
      'Count requests that arrived.',
      () => clicks.received,
    )
    this.#declared.counter(
      SECTIONS.traffic,
      'clicks_accepted_total',
      'Clicks answered 200: durable.',
      () => clicks.accepted,
    )
    this.#declared.labelledCounter(
      SECTIONS.traffic,
      'clicks_refused_total',
      'Count requests that were not answered 200, by error code.',
      ['code'],
      (inc) => {
        for (const [code, count] of clicks.refused) inc({ code }, count)
      },
    )
    this.#declared.gauge(
      SECTIONS.traffic,
      'clicks_waiting',
      'Clicks that are not yet durable or refused.',
      () => read.waiting(),
    )
    this.#declared.plainHistograms(
      SECTIONS.traffic,
      'ack_seconds',
      'From the receipt of a count request to its 200.',
      [],
      () => [[{}, this.ackSeconds]],
    )
    this.#declared.labelledCounter(
      SECTIONS.traffic,
      'http_requests_total',
      'Answers, by route and kind of status. The route is the pattern of the path, or none.',
      ['route', 'status'],
      (inc) => {
        for (const [route, figures] of this.#routes) {
          for (const [status, answers] of figures.answers()) inc({ route, status }, answers)
        }
      },
    )
    this.#declared.plainHistograms(
      SECTIONS.traffic,
      'http_request_seconds',
      'From the receipt of a request, by its head, to the beginning of its answer, by route.',
      ['route'],
      () => Array.from(this.#routes, ([route, { seconds }]) => [{ route }, seconds]),
    )
    this.#declared.gauge(SECTIONS.traffic, 'live_streams', 'Readers that follow /live.', () =>
      read.streams(),
    )
    this.#declared.gauge(SECTIONS.traffic, 'connections', 'Open connections.', () =>
      read.connections(),
    )
  }

  #declareCounting(): void {
    const { tallied, read } = this
    this.#declared.counter(
      SECTIONS.counting,
      'clicks_counted_total',
      'Clicks that raised a count in a commit of this process.',
      () => tallied.counted,
    )
    this.#declared.counter(
      SECTIONS.counting,
      'clicks_duplicate_total',
      'Clicks with a key that was counted before, in a commit of this process.',
      () => tallied.duplicates,
    )
    this.#declared.counter(
      SECTIONS.counting,
      'clicks_unsettled_total',
      'Clicks with a key in a commit whose answer was lost: counted or duplicates, nobody knows which.',
      () => tallied.unsettled,
    )
    this.#declared.counter(
      SECTIONS.counting,
      'dead_letters_total',
      'Records of the click log that could not be counted, and were kept.',
      () => tallied.deadLetters,
    )
    this.#declared.gauge(
      SECTIONS.counting,
      'dead_letters_kept',
      'Of these, from all processes, those that are still kept: neither counted by a retry nor dropped. 1,000 are that many or more. Of Postgres alone.',
      () => read.deadLetters(),
    )
  }

  #declareKafka(): void {
    this.#declared.gauge(
      SECTIONS.kafka,
      'partitions',
      'Partitions of the click log that are counted here.',
      () => this.read.partitions(),
    )
    this.#declared.gauge(
      SECTIONS.kafka,
      'log_waiting_records',
      'Records that are known to wait, of all partitions that this process knows of: of a process with ROLE=api all there are, else those that it counts.',
      () => this.#sumOf('waiting'),
    )
    this.#declared.gauge(
      SECTIONS.kafka,
      'log_position_records',
      'Positions of the same partitions, of all together.',
      () => this.#sumOf('position'),
    )
    this.#declared.labelled(
      SECTIONS.kafka,
      'partition_position',
      `Offset of the next record to count. Of at most ${PARTITIONS_SHOWN} of the same partitions, the lowest numbers.`,
      ['partition'],
      (set) => {
        for (const { number, position } of this.#shown()) set({ partition: number }, position)
      },
    )
    this.#declared.labelled(
      SECTIONS.kafka,
      'partition_lag_records',
      'Records of the partition that are known to wait. Of the same partitions as the positions.',
      ['partition'],
      (set) => {
        for (const { number, waiting } of this.#shown()) set({ partition: number }, waiting)
      },
    )
  }

  #shown(): readonly PartitionFigures[] {
    return this.read.eachPartition()?.slice(0, PARTITIONS_SHOWN) ?? []
  }

  #sumOf(figure: 'position' | 'waiting'): number | undefined {
    return this.read.eachPartition()?.reduce((sum, each) => sum + each[figure], 0)
  }

  #declareStore(): void {
    const { read } = this
    this.#declared.gauge(
      SECTIONS.store,
      'unmerged_batches',
      'Batches that are counted, and not yet merged into the tables of counts; of all processes.',
      () => read.unmergedBatches(),
    )
    this.#declared.counter(
      SECTIONS.store,
      'merge_failures_total',
      'Merges that failed in this process; each is tried again, and meanwhile answers are slower.',
      () => read.mergeFailures() ?? 0,
    )
    this.#declared.gauge(SECTIONS.store, 'database_bytes', 'Size of the database.', () =>
      read.databaseBytes(),
    )
    this.#declared.gauge(
      SECTIONS.store,
      'disk_free_bytes',
      'Room that is left on the disk of DATA_DIR. Of the embedded store alone.',
      () => read.diskFreeBytes(),
    )
    this.#declared.gauge(
      SECTIONS.store,
      'disk_size_bytes',
      'Size of the disk of DATA_DIR. Of the embedded store alone.',
      () => read.diskSizeBytes(),
    )
  }
}
