// The composition root: the only file that knows which adapter stands behind which port.
import { randomUUID } from 'node:crypto'
import { runAggregator, type AttemptObserver } from './aggregator/aggregator.ts'
import { runKeyPurge, type PurgeOptions } from './aggregator/purge-keys.ts'
import type { Config } from './config.ts'
import type { Clock } from './clock.ts'
import { isUnavailable, reasonOf, type AppError } from './errors.ts'
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
import type { Check } from './check.ts'
import type { CountStore } from './store/count-store.ts'
import type { ImportStore } from './store/import-store.ts'
import type { Migration } from './store/schema.ts'
import { SqliteDatabase } from './store/sqlite/database.ts'
import { SqliteGuest } from './store/sqlite/guest.ts'
import { migrateFolder } from './store/sqlite/migrate.ts'

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

  const { store, prepare } = await openStore(config.store)
  building.use(store)
  const { clock } = store
  const registry = new BannerRegistry(store)
  const source = `writer:${randomUUID()}`
  const preparation = building.use(
    await startPreparation(fail, logger, async () => {
      for (const warning of await prepare()) logger.warn(warning)
      await seedBanners(store, config.bannersFile, logger)
      await store.open(source, 0n)
      await registry.refresh()
    }),
  )
  const inBackground = (run: (signal: AbortSignal) => Promise<void>, graceMs?: number) => {
    const { done } = preparation
    building.use(background(fail, (signal) => after(done, signal, () => run(signal)), graceMs))
  }
  inBackground((signal) => followBanners(registry, signal, storeObserver(logger)), UPKEEP_GRACE_MS)
  inBackground(
    (signal) => runKeyPurge(store, purgeOptions(config, clock, metrics), signal),
    UPKEEP_GRACE_MS,
  )
  const { tokens, ackTimeoutMs } = config
  const log = building.use(openLog(config, source, store, metrics))
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

type Store = CountStore &
  BannerStore &
  ImportStore &
  AsyncDisposable & {
    readonly clock: Clock
    /** Why clicks could probably not be counted now, as far as is known without trying. */
    readonly trouble: string | undefined
  }

/**
 * `prepare` throws `store_unavailable` while the store is away; before it nothing else is to be called.
 * It returns warnings for the operator.
 */
export async function openStore(
  config: Config['store'],
): Promise<{ store: Store; prepare: () => Promise<readonly string[]> }> {
  if (config.kind === 'sqlite') {
    return { store: new SqliteDatabase({ folder: config.folder }), prepare: async () => [] }
  }
  // Only where it is needed: the driver takes 6 MB.
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  const store = new PostgresDatabase(config)
  return { store, prepare: () => store.prepare() }
}

/** What a command asks of the store. */
export type CommandStore = Pick<CountStore, 'series'> &
  Pick<BannerStore, 'find' | 'list' | 'add' | 'addAll'> &
  AsyncDisposable & { readonly clock: Clock }

/**
 * The store for one command, beside services that are at work on it. Throws an OperatorError if
 * there is none yet, unless `writes`, or if its schema is not that of this version.
 */
export async function visitStore(
  config: Config['store'],
  { writes }: { readonly writes: boolean },
): Promise<CommandStore> {
  if (config.kind === 'sqlite') return new SqliteGuest({ folder: config.folder, writes })
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  await using building = new AsyncDisposableStack()
  const store = building.use(new PostgresDatabase(config))
  await store.join({ writes })
  building.move()
  return store
}

/** Brings the store's schema up to date as a start does, and no more. Throws as `prepare` does. */
export async function migrateStore(config: Config['store']): Promise<Migration> {
  if (config.kind === 'sqlite') return migrateFolder(config.folder)
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  await using store = new PostgresDatabase(config)
  return await store.migrate()
}

/** What there is to say of the store to an operator. Changes nothing. */
export async function inspectStore(config: Config['store']): Promise<readonly Check[]> {
  if (config.kind === 'sqlite') {
    const { inspectFolder } = await import('./store/sqlite/inspect.ts')
    return inspectFolder(config.folder)
  }
  const { inspectPostgres } = await import('./store/postgres/inspect.ts')
  return inspectPostgres(config)
}

async function seedBanners(
  store: BannerStore & { readonly clock: Clock },
  file: string | undefined,
  logger: Logger,
): Promise<void> {
  if ((await store.list({ limit: 1, after: 0, withArchived: true })).length > 0) return
  const { path, drafts } = readBannersFile(file)
  const added = await store.addAll(drafts, 'onlyFirst')
  if (added > 0)
    logger.info(`First start: loaded ${added} ${added === 1 ? 'banner' : 'banners'} from ${path}`)
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

function openLog(config: Config, source: string, store: Store, metrics: Metrics): DirectLog {
  const { waitingMax, ackTimeoutMs } = config
  const log = new DirectLog({
    source,
    clock: store.clock,
    waitingMax,
    batchMax: BATCH_MAX,
    ackTimeoutMs,
    storeTrouble: () => store.trouble,
    onLate: (clicks) => metrics.late.inc(clicks),
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

/** One line when the store stops answering, one when it answers again. */
function storeObserver(logger: Logger): (error: AppError | undefined) => void {
  let isAway = false
  return (error) => {
    if (error !== undefined && !isAway) {
      logger.warn(`The store does not answer, trying again: ${reasonOf(error)}`)
    }
    if (error === undefined && isAway) logger.info('The store answers again')
    isAway = error !== undefined
  }
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
