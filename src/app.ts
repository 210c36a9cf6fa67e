// The composition root: the only file that knows which adapter stands behind which port.
import { randomUUID } from 'node:crypto'
import { runAggregator, type AttemptObserver } from './aggregator/aggregator.ts'
import { runKeyPurge, type PurgeOptions } from './aggregator/purge-keys.ts'
import type { Config } from './config.ts'
import type { Clock } from './clock.ts'
import { isUnavailable, reasonOf } from './errors.ts'
import type { Limits } from './http/limits.ts'
import { listen } from './http/server.ts'
import { openFilesMax } from './lib/open-files.ts'
import { after, background, sleep } from './lib/background.ts'
import { DirectLog } from './log/direct.ts'
import type { Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import { LiveFeed } from './query/live.ts'
import { BannerRegistry } from './registry/banner-registry.ts'
import { readBannersFile } from './registry/banners-file.ts'
import type { BannerStore } from './registry/banner-store.ts'
import { followBanners } from './registry/follow-banners.ts'
import { routes } from './routes.ts'
import type { CountStore } from './store/count-store.ts'
import type { ImportStore } from './store/import-store.ts'
import { SqliteDatabase } from './store/sqlite/database.ts'

/** Bounds one transaction: 5,000 keyed clicks took 30 ms. */
const BATCH_MAX = 5_000
const START_RETRY_MS = 2_000
/** A store that hangs must not keep the service from stopping: upkeep goes on at the next start. */
const UPKEEP_GRACE_MS = 500
/** Open files that are no connections to the service: it starts with 40. */
const FILES_RESERVED = 200

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
 * `limits` are for tests.
 */
export async function startApp(
  config: Config,
  logger: Logger,
  limits?: Partial<Limits>,
): Promise<App> {
  await using building = new AsyncDisposableStack()
  const metrics = new Metrics()
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {}) // whoever waits for it sees it too; alone it must not end the process

  const { store, prepare } = await openStore(config.store, logger)
  building.use(store)
  const { clock } = store
  const registry = new BannerRegistry(store)
  const source = `writer:${randomUUID()}`
  const preparation = building.use(
    await startPreparation(fail, logger, async () => {
      await prepare()
      await seedBanners(store, config.bannersFile, logger)
      await store.open(source, 0n)
      await registry.refresh()
    }),
  )
  const inBackground = (run: (signal: AbortSignal) => Promise<void>, graceMs?: number) => {
    const { done } = preparation
    building.use(background(fail, (signal) => after(done, signal, () => run(signal)), graceMs))
  }
  inBackground((signal) => followBanners(registry, signal), UPKEEP_GRACE_MS)
  inBackground(
    (signal) => runKeyPurge(store, purgeOptions(config, clock, metrics), signal),
    UPKEEP_GRACE_MS,
  )
  const { tokens, ackTimeoutMs } = config
  const log = building.use(openLog(config, source, clock, metrics))
  inBackground((signal) => runAggregator(log, store, signal, attemptObserver(metrics, logger)))
  const live = new LiveFeed({ counts: store, clock, streamsMax: config.liveMax })
  metrics.streams = () => live.streams
  const server = building.use(
    await listen({
      ...config.http,
      ...connectionOptions(config, logger, metrics),
      limits,
      tokens,
      logger,
      drainTimeoutMs: config.shutdownTimeoutMs / 2,
      routes: routes({
        registry,
        sink: log,
        clock,
        counts: store,
        banners: store,
        live,
        metrics,
        tokens,
        ackTimeoutMs,
      }),
    }),
  )
  metrics.connections = () => server.connections
  building.use(live) // first of all: the server would wait for streams to end
  const built = building.move()
  return {
    origin: server.origin,
    failed,
    waiting: () => log.state().waiting,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

type Store = CountStore & BannerStore & ImportStore & AsyncDisposable & { readonly clock: Clock }

/** `prepare` throws `store_unavailable` while the store is away; before it nothing else succeeds. */
export async function openStore(
  config: Config['store'],
  logger: Logger,
): Promise<{ store: Store; prepare: () => Promise<void> }> {
  if (config.kind === 'sqlite') {
    return { store: new SqliteDatabase({ folder: config.folder }), prepare: async () => {} }
  }
  // Only where it is needed: the driver takes 6 MB.
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  const store = new PostgresDatabase(config)
  const prepare = async () => {
    for (const warning of await store.prepare()) logger.warn(warning)
  }
  return { store, prepare }
}

async function seedBanners(
  store: BannerStore & { readonly clock: Clock },
  file: string | undefined,
  logger: Logger,
): Promise<void> {
  if ((await store.list({ limit: 1, after: 0, withArchived: true })).length > 0) return
  const { path, drafts } = readBannersFile(file)
  const seeded = await store.seed(drafts)
  if (seeded > 0) logger.info(`First start: loaded ${seeded} banners from ${path}`)
}

/**
 * Does what nothing else can begin without. A store that cannot be reached does not keep the service
 * from starting: it answers 503, says so to whoever watches it, and tries again until `done`. What
 * only an operator can mend does.
 */
async function startPreparation(
  fail: (cause: unknown) => void,
  logger: Logger,
  prepare: () => Promise<void>,
): Promise<AsyncDisposable & { readonly done: Promise<void> }> {
  let isAway = false
  const succeeds = async (): Promise<boolean> => {
    try {
      await prepare()
      if (isAway) logger.info('The store is there; counting')
      return true
    } catch (error) {
      if (!isUnavailable(error)) throw error
      if (!isAway) logger.warn(`The store is away, trying again: ${reasonOf(error)}`)
      isAway = true
      return false
    }
  }
  const { promise: done, resolve } = Promise.withResolvers<void>()
  let isDone = await succeeds()
  const trying = background(
    fail,
    async (signal) => {
      for (; !isDone && !signal.aborted; isDone = !signal.aborted && (await succeeds())) {
        await sleep(START_RETRY_MS, signal)
      }
      if (isDone) resolve()
    },
    UPKEEP_GRACE_MS,
  )
  return { done, [Symbol.asyncDispose]: () => trying[Symbol.asyncDispose]() }
}

function openLog(config: Config, source: string, clock: Clock, metrics: Metrics): DirectLog {
  const { waitingMax, ackTimeoutMs } = config
  const onLate = (clicks: number): void => metrics.late.inc(clicks)
  const log = new DirectLog({
    source,
    clock,
    waitingMax,
    batchMax: BATCH_MAX,
    ackTimeoutMs,
    onLate,
  })
  metrics.waiting = () => log.state().waiting
  return log
}

/**
 * Not more connections than the system allows files: it would drop the newest without a word, and
 * idle ones would keep their places.
 */
function connectionOptions({ http }: Config, logger: Logger, metrics: Metrics) {
  const filesMax = openFilesMax()
  const possible = filesMax - Math.min(FILES_RESERVED, Math.ceil(filesMax / 2))
  const connectionsMax = Math.min(http.connectionsMax, possible)
  if (filesMax < http.connectionsMax) {
    const reason = `the system allows ${filesMax} open files (ulimit -n)`
    logger.info(`At most ${connectionsMax} connections: ${reason}`)
  }
  return { connectionsMax, onDropped: () => metrics.connectionsDropped.inc() }
}

function purgeOptions(config: Config, clock: Clock, metrics: Metrics): PurgeOptions {
  const onPurged = (keys: number): void => metrics.keysPurged.inc(keys)
  return { clock, retentionMs: config.keyRetentionMs, onPurged }
}

/** Measures every attempt; one line when the store goes away, one when it is back. */
function attemptObserver(metrics: Metrics, logger: Logger): AttemptObserver {
  let isAway = false
  return ({ clicks }, outcome, durationMs) => {
    metrics.attempts.inc({ outcome: outcome.kind })
    metrics.batchClicks.observe(clicks.length)
    metrics.commitSeconds.observe(durationMs / 1_000)
    if (outcome.kind === 'in-doubt' && !isAway) {
      logger.warn(`Clicks cannot be stored, trying again: ${reasonOf(outcome.cause)}`)
    }
    if (outcome.kind === 'counted' && isAway) logger.info('Clicks are stored again')
    isAway = outcome.kind === 'in-doubt'
  }
}
