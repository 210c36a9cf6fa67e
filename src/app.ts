// The composition root: the only file that knows which adapter stands behind which port.
import { randomUUID } from 'node:crypto'
import { runAggregator, type AttemptObserver } from './aggregator/aggregator.ts'
import { runKeyPurge } from './aggregator/purge-keys.ts'
import type { Config } from './config.ts'
import { listen } from './http/server.ts'
import { DirectLog } from './log/direct.ts'
import type { Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import { LiveFeed } from './query/live.ts'
import { BannerRegistry } from './registry/banner-registry.ts'
import { readBannersFile } from './registry/banners-file.ts'
import { routes } from './routes.ts'
import { SqliteDatabase } from './store/sqlite/database.ts'

/** Bounds one transaction: 5,000 keyed clicks took 30 ms. */
const BATCH_MAX = 5_000

export interface App extends AsyncDisposable {
  /** `http://host:port` */
  readonly origin: string
  /** Rejects when the service cannot go on, for instance because the disk fails. */
  readonly failed: Promise<never>
  /** Clicks that are neither durable nor refused yet. */
  waiting(): number
}

/**
 * Starts the service, from the store up; disposal runs in reverse: the server answers what is under
 * way, the aggregator counts what waits, the store closes last. A failed start closes what it opened.
 */
export async function startApp(config: Config, logger: Logger): Promise<App> {
  await using building = new AsyncDisposableStack()
  const metrics = new Metrics()
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {}) // whoever waits for it sees it too; alone it must not end the process

  const store = building.use(new SqliteDatabase({ folder: config.store.folder }))
  await seedBanners(store, config.bannersFile, logger)
  const registry = new BannerRegistry(store)
  await registry.load()

  const source = `writer:${randomUUID()}`
  await store.open(source, 0n)
  const log = new DirectLog({
    source,
    clock: store.clock,
    waitingMax: config.waitingMax,
    batchMax: BATCH_MAX,
    ackTimeoutMs: config.ackTimeoutMs,
    onLate: (clicks) => metrics.late.inc(clicks),
  })
  metrics.waiting = () => log.state().waiting
  building.use(
    background(fail, (signal) =>
      runKeyPurge(
        store,
        {
          clock: store.clock,
          retentionMs: config.keyRetentionMs,
          onPurged: (keys) => metrics.keysPurged.inc(keys),
        },
        signal,
      ),
    ),
  )
  building.use(log)
  building.use(
    background(fail, (signal) =>
      runAggregator(log, store, signal, attemptObserver(metrics, logger)),
    ),
  )
  const live = new LiveFeed({ counts: store, clock: store.clock, streamsMax: config.liveMax })
  metrics.streams = () => live.streams
  const server = building.use(
    await listen({
      ...config.http,
      tokens: config.tokens,
      logger,
      drainTimeoutMs: config.shutdownTimeoutMs / 2,
      routes: routes({
        registry,
        sink: log,
        clock: store.clock,
        counts: store,
        banners: store,
        live,
        metrics,
        tokens: config.tokens,
        ackTimeoutMs: config.ackTimeoutMs,
      }),
    }),
  )
  building.use(live) // first of all: the server would wait for streams to end
  const built = building.move()
  return {
    origin: server.origin,
    failed,
    waiting: () => log.state().waiting,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

async function seedBanners(
  store: SqliteDatabase,
  file: string | undefined,
  logger: Logger,
): Promise<void> {
  if ((await store.list({ limit: 1, after: 0, withArchived: true })).length > 0) return
  const { path, drafts } = readBannersFile(file)
  await store.seed(drafts)
  logger.info(`First start: loaded ${drafts.length} banners from ${path}`)
}

/** Measures every attempt; one line when the store goes away, one when it is back. */
function attemptObserver(metrics: Metrics, logger: Logger): AttemptObserver {
  let isAway = false
  return ({ clicks }, outcome, durationMs) => {
    metrics.attempts.inc({ outcome: outcome.kind })
    metrics.batchClicks.observe(clicks.length)
    metrics.commitSeconds.observe(durationMs / 1_000)
    if (outcome.kind === 'in-doubt' && !isAway) {
      const reason = outcome.cause.cause instanceof Error ? outcome.cause.cause : outcome.cause
      logger.warn(`Clicks cannot be stored, trying again: ${reason.message}`)
    }
    if (outcome.kind === 'counted' && isAway) logger.info('Clicks are stored again')
    isAway = outcome.kind === 'in-doubt'
  }
}

/** Runs a loop until disposal; its failure is the app's. */
function background(
  fail: (cause: unknown) => void,
  run: (signal: AbortSignal) => Promise<void>,
): AsyncDisposable {
  const stop = new AbortController()
  const running = run(stop.signal).catch(fail)
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}
