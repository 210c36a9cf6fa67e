// The composition root: open-store.ts and open-log.ts tell it which adapter stands behind which port.
import type { AttemptObserver } from './aggregator/aggregator.ts'
import { runKeyPurge, type PurgeOptions } from './aggregator/purge-keys.ts'
import { runMinutePurge } from './aggregator/purge-minutes.ts'
import { COUNT_ERRORS } from './collector/count-operations.ts'
import { AHEAD_MS_MAX } from './clock.ts'
import type { Config } from './config.ts'
import { isUnavailable, reasonOf, type AppError } from './errors.ts'
import type { Limits } from './http/limits.ts'
import { partsOf } from './http/health.ts'
import { listen } from './http/server.ts'
import { openFilesMax } from './lib/open-files.ts'
import { after, background, sleep } from './lib/background.ts'
import type { Times } from './log/kafka/source.ts'
import type { Logger } from './logger.ts'
import { Metrics } from './metrics.ts'
import { openLog, type OpenedLog } from './open-log.ts'
import { openStore, type Store } from './open-store.ts'
import { LiveFeed } from './query/live.ts'
import { watchSilence } from './query/watch-silence.ts'
import { BannerRegistry } from './registry/banner-registry.ts'
import { readBannersFile } from './registry/banners-file.ts'
import type { BannerStore } from './registry/banner-store.ts'
import { followBanners } from './registry/follow-banners.ts'
import { routes } from './routes.ts'
import { VERSION } from './version.ts'
import { StoreWatch } from './watch/store-watch.ts'

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
 * `limits` and `times` are for tests.
 */
export async function startApp(
  config: Config,
  logger: Logger,
  limits?: Partial<Limits>,
  times?: Partial<Times>,
): Promise<App> {
  await using building = new AsyncDisposableStack()
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {}) // whoever waits for it sees it too; alone it must not end the process
  const parts = await openParts(config, logger, fail, building, times)
  const { store, registry, metrics, log } = parts
  const { tokens, ackTimeoutMs } = config
  const live = new LiveFeed({ counts: store, clock: store.clock, streamsMax: config.liveMax, fail })
  metrics.read.streams = () => live.streams
  const server = building.use(
    await listen({
      ...config.http,
      ...connectionOptions(config, logger, metrics),
      limits,
      answersOf: (path) => metrics.route(path),
      tokens,
      logger,
      drainTimeoutMs: config.shutdownTimeoutMs / 2,
      beforeCut: () => log.sink.giveUp(),
      routes: routes({
        registry,
        sink: log.sink,
        readiness: log.state,
        takesClicks: log.takesClicks,
        clock: store.clock,
        counts: store,
        banners: store,
        live,
        metrics,
        tokens,
        ackTimeoutMs,
      }),
    }),
  )
  metrics.read.connections = () => server.connections
  building.use(live) // first of all: the server would wait for streams to end
  const built = building.move()
  return {
    origin: server.origin,
    failed,
    waiting: () => log.sink.state().waiting,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

interface Parts {
  readonly store: Store
  readonly registry: BannerRegistry
  readonly metrics: Metrics
  readonly log: OpenedLog
}

/** All but the server, and the loops that run between them once the store is prepared. */
async function openParts(
  config: Config,
  logger: Logger,
  fail: (cause: unknown) => void,
  building: AsyncDisposableStack,
  times: Partial<Times> | undefined,
): Promise<Parts> {
  const metrics = new Metrics()
  const { store, prepare, stayAlive, partitions } = await openStore(config, (tallied) =>
    metrics.tally(tallied),
  )
  building.use(store)
  const registry = new BannerRegistry(store, config.ackTimeoutMs)
  const { promise: prepared, resolve } = Promise.withResolvers<void>()
  const inBackground = (run: (signal: AbortSignal) => Promise<void>, graceMs?: number) => {
    building.use(background(fail, (signal) => after(prepared, signal, () => run(signal)), graceMs))
  }
  if (stayAlive !== undefined) inBackground(stayAlive, UPKEEP_GRACE_MS)
  inBackground((signal) => followBanners(registry, signal, storeObserver(logger)), UPKEEP_GRACE_MS)
  inBackground(
    (signal) => runKeyPurge(store, purgeOptions(config, metrics), signal),
    UPKEEP_GRACE_MS,
  )
  const minutePurge = minutePurgeOptions(config, metrics)
  if (minutePurge !== undefined) {
    inBackground((signal) => runMinutePurge(store, minutePurge, signal), UPKEEP_GRACE_MS)
  }
  const observe = attemptObserver(metrics, logger)
  const log = await openLog({
    config,
    times,
    store,
    partitions,
    registry,
    metrics,
    logger,
    observe,
    building,
    inBackground,
  })
  metrics.read.waiting = () => log.sink.state().waiting
  metrics.read.parts = () => partsOf(registry, log.state)
  metrics.read.banners = () => (registry.isLoaded ? registry.size : undefined)
  metrics.read.build = () => buildOf(config)
  watchStore(config, store, metrics, logger, inBackground)
  if (log.takesClicks) {
    metrics.expectRefusals([...COUNT_ERRORS, 'internal_error'])
    const told = (silent: number): void => void (metrics.read.bannersSilent = () => silent)
    const isActive = (id: number): boolean => registry.isActive(id)
    inBackground(
      (signal) => watchSilence({ counts: store, isActive, observe: told }, signal),
      UPKEEP_GRACE_MS,
    )
  }
  const prepareAll = async (): Promise<void> => {
    for (const warning of await prepare()) logger.warn(warning)
    await seedBanners(store, config.bannersFile, logger)
    await log.prepare()
    await registry.refresh()
    resolve()
  }
  building.use(await startPreparation(fail, logger, prepareAll))
  return { store, registry, metrics, log }
}

function watchStore(
  config: Config,
  store: Store,
  metrics: Metrics,
  logger: Logger,
  inBackground: (run: (signal: AbortSignal) => Promise<void>, graceMs?: number) => void,
): void {
  const folder = config.store.kind === 'sqlite' ? config.store.folder : undefined
  const watch = new StoreWatch({
    store,
    clock: store.clock,
    onClock: clockObserver(logger),
    folder,
  })
  inBackground((signal) => watch.follow(signal), UPKEEP_GRACE_MS)
  const { read } = metrics
  read.clockAheadSeconds = () => store.clock.aheadMs / 1_000
  read.lagSeconds = () => (watch.lagMs === undefined ? undefined : watch.lagMs / 1_000)
  read.unmergedBatches = () => watch.figures?.unmergedBatches
  read.mergeFailures = () => watch.figures?.mergeFailures
  read.deadLetters = () => watch.figures?.deadLetters
  read.databaseBytes = () => watch.databaseBytes
  read.diskFreeBytes = () => watch.disk?.freeBytes
  read.diskSizeBytes = () => watch.disk?.sizeBytes
}

function buildOf({ store, clickLog }: Config) {
  const role = clickLog.kind === 'kafka' ? clickLog.role : 'all'
  return { version: VERSION, store: store.kind, log: clickLog.kind, role }
}

async function seedBanners(
  store: BannerStore,
  file: string | undefined,
  logger: Logger,
): Promise<void> {
  if ((await store.list({ limit: 1, after: 0, withArchived: true })).length > 0) return
  const { path, drafts } = readBannersFile(file)
  const added = await store.addAll(drafts, 'onlyFirst')
  if (added < drafts.length) return // another process was quicker
  logger.info(`First start: loaded ${added} ${added === 1 ? 'banner' : 'banners'} from ${path}`)
}

/**
 * Does what nothing else can begin without. A store that cannot be reached does not keep the service
 * from starting: it answers 503, says so to whoever watches it, and tries again. What only an operator
 * can mend does.
 */
async function startPreparation(
  fail: (cause: unknown) => void,
  logger: Logger,
  prepare: () => Promise<void>,
): Promise<AsyncDisposable> {
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
  let isDone = await succeeds()
  return background(
    fail,
    async (signal) => {
      for (; !isDone && !signal.aborted; isDone = !signal.aborted && (await succeeds())) {
        await sleep(START_RETRY_MS, signal)
      }
    },
    UPKEEP_GRACE_MS,
  )
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

function purgeOptions(config: Config, metrics: Metrics): PurgeOptions {
  const onPurged = (keys: number): void => metrics.keysPurged.inc(keys)
  return { retentionMs: config.keyRetentionMs, onPurged }
}

/** Undefined: minutes are kept for ever. */
function minutePurgeOptions(config: Config, metrics: Metrics): PurgeOptions | undefined {
  if (config.minuteRetentionMs === undefined) return undefined
  const onPurged = (rows: number): void => metrics.minuteRowsPurged.inc(rows)
  return { retentionMs: config.minuteRetentionMs, onPurged }
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

/** One line when the clock of clicks is held, at the start too, and one when the time has caught up. */
function clockObserver(logger: Logger): (aheadMs: number) => void {
  let isAhead = false
  return (aheadMs) => {
    if (aheadMs > AHEAD_MS_MAX && !isAhead) {
      const seconds = Math.round(aheadMs / 1_000)
      logger.warn(
        `Clicks are counted ${seconds} s ahead of the time: the clock was set back, or an instant is stored that one told when it was ahead; docs/operations.md says what to do`,
      )
    }
    if (aheadMs === 0 && isAhead) logger.info('The time has caught up with the clock of clicks')
    isAhead = aheadMs > AHEAD_MS_MAX || (isAhead && aheadMs > 0)
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
