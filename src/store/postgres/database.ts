import type { Banner, BannerChange, BannerDraft, NewBanner } from '../../banner.ts'
import type { Tally } from '../../click.ts'
import type { HeldClock } from '../../clock.ts'
import { AppError, BatchRejected, isUnavailable, OperatorError } from '../../errors.ts'
import { sleep } from '../../lib/background.ts'
import { MINUTE_MS } from '../../minute.ts'
import {
  notAdded,
  type BannerChanges,
  type BannerPage,
  type BannerStore,
} from '../../registry/banner-store.ts'
import type { Aggregate, CountStore, MinuteCounts, Minutes, Slice } from '../count-store.ts'
import type { ImportedCount, ImportOutcome, ImportStore } from '../import-store.ts'
import { slicesKept } from '../kept-minutes.ts'
import { checkSchema, type Migration } from '../schema.ts'
import type { FiguresStore, StoreFigures } from '../store-figures.ts'
import { talliedOf, type TalliedObserver } from '../tallied.ts'
import {
  addBanner,
  addBanners,
  bannerOf,
  changeBanner,
  changesOf,
  findBanner,
  findBanners,
  listBanners,
  readBannerChanges,
} from './banners.ts'
import { PostgresClock } from './clock.ts'
import { commitBatch, lastBatchId } from './commit.ts'
import { Connections, type PostgresConnection, type Row, type Statement } from './connections.ts'
import { PostgresDeadLetters } from './dead-letters.ts'
import { asSentence, isOfTheData, isReadOnly } from './failure.ts'
import { importCounts } from './imports.ts'
import { Merger } from './merger.ts'
import { migrate, schemaVersion } from './migrate.ts'
import { PostgresPartitions } from './partitions.ts'
import {
  readBytes,
  readFigures,
  readRecent,
  readSeries,
  readTotals,
  recentOf,
  seriesOf,
  totalsOf,
} from './reads.ts'
import {
  forgetMembers,
  forgetWriters,
  giveUpMinutes,
  inspectServer,
  keepAlive,
  nextOf,
  openSource,
  purgeKeys,
  purgeMinutes,
  VERSION_MIN,
} from './upkeep.ts'

const COMMIT_TIMEOUT_MS = 5_000
const QUERY_TIMEOUT_MS = 10_000
const MIGRATION_TIMEOUT_MS = 30 * 60_000
const READ_CONNECTIONS_MAX = 5
const READS_WAITING_MAX = 200
/** The second one knows which minutes are kept. */
const READ_ATTEMPTS_MAX = 3
const CHANGES_WAITING_MAX = 100
const UPKEEP_CONNECTIONS_MAX = 2
/** Of one process, at most. */
export const CONNECTIONS_MAX = 1 + READ_CONNECTIONS_MAX + 1 + UPKEEP_CONNECTIONS_MAX + 1
/** The second one takes bytes as they come, and they are UTF-8. */
const ENCODINGS = ['UTF8', 'SQL_ASCII']
const KEEP_ALIVE_INTERVAL_MS = 10_000
/** A writer that no process has kept alive for so long is gone. */
const WRITER_RETENTION_MS = 7 * 86_400_000
/** Nothing depends on aggregators that are gone, but whoever looks may wonder where they are. */
const AGGREGATOR_RETENTION_MS = 86_400_000

export interface PostgresOptions {
  readonly connection: PostgresConnection
  /** How the log and messages call the database: no password. */
  readonly label: string
  /** For tests: how long one attempt to commit may take. */
  readonly commitTimeoutMs?: number
  readonly onTallied?: TalliedObserver | undefined
}

/**
 * The store of any number of processes: one Postgres database, whose clock they share. Commits go
 * through one connection, reads through a few, changes of banners through one, leases of partitions through one,
 * the rest through others, so that none waits for another kind.
 */
export class PostgresDatabase
  implements CountStore, BannerStore, ImportStore, FiguresStore, AsyncDisposable
{
  /** Used with Kafka as the click log alone. */
  readonly partitions: PostgresPartitions
  readonly deadLetters: PostgresDeadLetters
  readonly #options: PostgresOptions
  readonly #clock = new PostgresClock()
  readonly #commits: Connections
  readonly #reads: Connections
  readonly #changes: Connections
  readonly #upkeep: Connections
  readonly #leases: Connections
  readonly #merger: Merger
  readonly #sources = new Set<string>()
  #completeUntil = 0
  #logCompleteUntil = 0
  #minutesFrom = 0
  /** Where the next step goes on: before it lie dead rows, which a long transaction elsewhere keeps in place. */
  #purgedUntilHour = 0

  constructor(options: PostgresOptions) {
    this.#options = options
    const { connection, label, commitTimeoutMs = COMMIT_TIMEOUT_MS } = options
    const place = { connection, label }
    this.#commits = new Connections({
      ...place,
      purpose: 'commits',
      connectionsMax: 1,
      waitingMax: 10,
      queryTimeoutMs: commitTimeoutMs,
    })
    this.#reads = new Connections({
      ...place,
      purpose: 'reads',
      connectionsMax: READ_CONNECTIONS_MAX,
      waitingMax: READS_WAITING_MAX,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    })
    // They wait for the registry's lock, which whoever changes banners by hand may hold for long.
    this.#changes = new Connections({
      ...place,
      purpose: 'changes',
      connectionsMax: 1,
      waitingMax: CHANGES_WAITING_MAX,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    })
    this.#upkeep = new Connections({
      ...place,
      purpose: 'upkeep',
      connectionsMax: UPKEEP_CONNECTIONS_MAX,
      waitingMax: 10,
      queryTimeoutMs: QUERY_TIMEOUT_MS,
    })
    // Like the others it connects when it is first asked: without Kafka never.
    this.#leases = new Connections({
      ...place,
      purpose: 'leases',
      connectionsMax: 1,
      waitingMax: 10,
      queryTimeoutMs: commitTimeoutMs,
    })
    const [clock, upkeep, leases] = [this.#clock, this.#upkeep, this.#leases]
    this.partitions = new PostgresPartitions({ clock, upkeep, leases })
    this.#merger = new Merger(this.#upkeep)
    this.deadLetters = new PostgresDeadLetters({
      connections: this.#upkeep,
      now: () => this.#clock.now(),
      onCounted: (deltas) => this.#merger.added(deltas),
    })
  }

  get clock(): HeldClock {
    return this.#clock
  }

  /** Why clicks could probably not be counted now; asked for by the loop that follows the banners. */
  get trouble(): string | undefined {
    return this.#upkeep.trouble
  }

  /**
   * Migrates the schema and sets the clock; before it nothing else is to be called. Returns warnings for
   * the operator. Throws `store_unavailable` if the database can't be reached, and an OperatorError
   * if it will not do.
   */
  async prepare(): Promise<string[]> {
    const prepare = async (): Promise<string[]> => {
      const warnings = await this.#inspect()
      await this.#migrate()
      await this.#keepAlive()
      this.#merger.added(0) // merges what processes that are gone have left
      return warnings
    }
    try {
      return await this.#asOperator(prepare)
    } catch (error) {
      if (!isReadOnly(error)) throw error
      // A failover may have made it so, and ends it.
      const detail = 'The store can only be read; see Retry-After.'
      throw new AppError('store_unavailable', detail, { cause: error })
    }
  }

  /** Migrates the schema, and no more. Throws as `prepare` does. */
  async migrate(): Promise<Migration> {
    return this.#asOperator(async () => {
      await this.#inspect()
      return this.#migrate()
    })
  }

  /**
   * For a command beside services: sets the clock, and migrates nothing, but for a database that is
   * empty and shall be written to. Throws as `prepare` does, and an OperatorError if the schema is
   * not that of this version.
   */
  async join({ writes }: { readonly writes: boolean }): Promise<void> {
    await this.#asOperator(async () => {
      await this.#inspect()
      let version = await schemaVersion((statement) => this.#upkeep.query(statement))
      if (version === 0 && writes) version = (await this.#migrate()).version
      if (version === 0) {
        throw new OperatorError(
          `${this.#options.label} has no tables of Tallymark yet; start the service once.`,
        )
      }
      checkSchema('postgres', version)
      await this.#setClock()
    })
  }

  /** What the database refuses is a sentence. */
  async #asOperator<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw asSentence(this.#options.label, error)
    }
  }

  async #inspect(): Promise<string[]> {
    const [server] = await this.#upkeep.query(inspectServer())
    const { label } = this.#options
    if (Number(server?.['version']) < VERSION_MIN * 10_000) {
      throw new OperatorError(
        `${label} is Postgres ${String(server?.['version_name'])}; Tallymark needs ${VERSION_MIN} or later.`,
      )
    }
    if (server?.['is_standby'] === true) {
      throw new OperatorError(
        `${label} is a standby, which cannot be written to. Name the primary.`,
      )
    }
    if (!ENCODINGS.includes(String(server?.['encoding']))) {
      throw new OperatorError(
        `${label} is a database in ${String(server?.['encoding'])}, which cannot hold every name. Make one in UTF8.`,
      )
    }
    if (server?.['fsync'] === 'on') return []
    return [
      `${label} runs with fsync = off: a loss of power will lose acknowledged clicks. Set fsync = on.`,
    ]
  }

  /** On a connection of its own: a migration, and waiting for another process's, may take long. */
  async #migrate(): Promise<Migration> {
    await using connections = new Connections({
      connection: this.#options.connection,
      label: this.#options.label,
      purpose: 'migrations',
      connectionsMax: 1,
      waitingMax: 1,
      queryTimeoutMs: MIGRATION_TIMEOUT_MS,
    })
    return await migrate(connections)
  }

  async #keepAlive(): Promise<void> {
    await this.#setClock()
    const own = [...this.#sources]
    const now = this.#clock.now()
    await this.#upkeep.query(forgetWriters(now - WRITER_RETENTION_MS, own))
    await this.#upkeep.query(
      forgetMembers(now - AGGREGATOR_RETENTION_MS, now - WRITER_RETENTION_MS),
    )
  }

  /** Exchanges instants with the other processes. */
  async #setClock(): Promise<void> {
    const instant = this.#clock.isSet ? this.#clock.now() : 0
    const row = await this.#clock.ask(this.#upkeep, keepAlive([...this.#sources], instant))
    this.#clock.holdAt(Number(row?.['latest'] ?? 0))
  }

  /**
   * Exchanges clocks with the other processes and keeps this one's sources, until `signal` aborts. To be
   * run by a service, once it is prepared; with shorter intervals in tests.
   */
  async stayAlive(signal: AbortSignal, intervalMs = KEEP_ALIVE_INTERVAL_MS): Promise<void> {
    for (;;) {
      await sleep(intervalMs, signal)
      if (signal.aborted) return
      try {
        await this.#keepAlive()
      } catch (error) {
        // While the database is away there is nobody to tell.
        if (!isUnavailable(error)) throw error
      }
    }
  }

  async open(source: string, from: bigint): Promise<bigint> {
    await this.#upkeep.query(openSource(source, from, this.#clock.now()))
    const [row] = await this.#upkeep.query(nextOf(source))
    this.#sources.add(source)
    return BigInt(String(row?.['next']))
  }

  async commit(aggregate: Aggregate): Promise<'counted' | 'superseded'> {
    await this.#merger.makeRoom()
    const { span, deltas, keyed, suspects } = aggregate
    const commit = await this.#attempt(aggregate)
    const isMoved = commit?.['is_moved'] === true
    if (!isMoved) {
      const last = await this.#clock.ask(this.#commits, lastBatchId(span.source))
      if (last?.['batch_id'] !== span.batchId) return 'superseded'
    }
    this.#merger.added(deltas.length + keyed.length + suspects.length)
    const fresh = Number(commit?.['fresh'] ?? 0)
    const deadLetters = Number(commit?.['dead_letters'] ?? 0)
    const answer = isMoved ? { fresh, deadLetters } : undefined
    this.#options.onTallied?.(talliedOf(aggregate, answer))
    return 'counted'
  }

  async #attempt(aggregate: Aggregate): Promise<Row | undefined> {
    try {
      return await this.#clock.ask(this.#commits, commitBatch(aggregate, this.#clock.now()))
    } catch (error) {
      // What a writer sends was checked by this process. What stands in a partition stays there,
      // and every process that tries it would end.
      if (aggregate.span.source.startsWith('writer:') || !isOfTheData(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new BatchRejected(`The store cannot take the batch: ${reason}`, { cause: error })
    }
  }

  async series(bannerIds: readonly number[], tally: Tally, slices: readonly Slice[]) {
    const { row, kept, ...snapshot } = await this.#readKept(slices, (some) =>
      readSeries(bannerIds, tally, some),
    )
    return { rows: seriesOf(row, bannerIds, kept), ...snapshot }
  }

  async totals(tally: Tally, slices: readonly Slice[]) {
    const { row, completeUntil, minutesFrom } = await this.#readKept(slices, (some) =>
      readTotals(tally, some),
    )
    return { rows: totalsOf(row), completeUntil, minutesFrom }
  }

  async figures(): Promise<StoreFigures> {
    const { row, completeUntil } = await this.#read(readFigures(), this.#upkeep)
    return {
      completeUntil,
      unmergedBatches: Number(row?.['unmerged_batches']),
      mergeFailures: this.#merger.failures,
      deadLetters: Number(row?.['dead_letters']),
    }
  }

  async bytes(): Promise<number> {
    const [row] = await this.#upkeep.query(readBytes())
    return Number(row?.['bytes'])
  }

  async recent(tally: Tally, minutes: Minutes): Promise<readonly MinuteCounts[]> {
    return (await this.#clock.askAll(this.#reads, readRecent(tally, minutes))).map(recentOf)
  }

  async purgeKeys(retentionMs: number, limit: number): Promise<number> {
    const [row] = await this.#upkeep.query(purgeKeys(retentionMs, limit))
    return Number(row?.['purged'])
  }

  async purgeMinutes(retentionMs: number, limit: number): Promise<number> {
    await this.#upkeep.query(giveUpMinutes(retentionMs))
    const [row] = await this.#upkeep.query(purgeMinutes(this.#purgedUntilHour, limit))
    const purged = Number(row?.['purged'])
    this.#purgedUntilHour = purged < limit ? 0 : Number(row?.['hour'])
    return purged
  }

  async importCounts(counts: readonly ImportedCount[]): Promise<ImportOutcome> {
    await this.#merger.makeMuchRoom()
    const outcome = await importCounts(this.#upkeep, counts, this.#clock.now())
    this.#merger.added(counts.length)
    return outcome
  }

  async changesSince(version: number): Promise<BannerChanges> {
    const [row] = await this.#upkeep.query(readBannerChanges(version))
    return changesOf(row)
  }

  async find(id: number): Promise<Banner | undefined> {
    const [row] = await this.#reads.query(findBanner(id))
    return row && bannerOf(row)
  }

  async findAll(ids: readonly number[]): Promise<readonly Banner[]> {
    return (await this.#reads.query(findBanners(ids))).map(bannerOf)
  }

  async list(page: BannerPage): Promise<readonly Banner[]> {
    return (await this.#reads.query(listBanners(page))).map(bannerOf)
  }

  async add(banner: NewBanner): Promise<Banner> {
    const [row] = await this.#changes.query(addBanner(banner, this.#clock.now()))
    if (row === undefined) throw notAdded(banner)
    return bannerOf(row)
  }

  async addAll(drafts: readonly BannerDraft[], when: 'onlyFirst' | 'always'): Promise<number> {
    const [row] = await this.#changes.query(addBanners(drafts, when, this.#clock.now()))
    return Number(row?.['added'])
  }

  async change(id: number, change: BannerChange): Promise<Banner | undefined> {
    const [row] = await this.#changes.query(changeBanner(id, change))
    return row && bannerOf(row)
  }

  /** By slices that take the minutes which the snapshot has; which they are changes once a day at most. */
  async #readKept(slices: readonly Slice[], statementOf: (kept: readonly Slice[]) => Statement) {
    let planned = this.#minutesFrom
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt += 1) {
      const kept = slicesKept(slices, planned)
      const { row, completeUntil } = await this.#read(statementOf(kept))
      const minutesFrom = Number(row?.['minutes_from']) * MINUTE_MS
      if (minutesFrom === planned) return { row, kept, completeUntil, minutesFrom }
      this.#minutesFrom = planned = minutesFrom
    }
    throw new AppError('store_unavailable', 'The store was changed meanwhile; see Retry-After.')
  }

  /**
   * Until when it is complete: what open partitions say in the answer's snapshot, else the instant that was
   * read before that was taken, as what was acknowledged before it had been committed before the snapshot.
   * Where the database's clock went back it is held, as the clock of clicks is: at what had been
   * answered when this read began, for its snapshot has that. What open partitions say goes back only
   * if the database itself did, by a failover or a restored backup: then counts are missing from the
   * answer until they are counted again, and it says so.
   */
  async #read(
    statement: Statement,
    connections = this.#reads,
  ): Promise<{ readonly row: Row | undefined; readonly completeUntil: number }> {
    const [answeredBefore, logBefore] = [this.#completeUntil, this.#logCompleteUntil]
    const row = await this.#clock.ask(connections, statement)
    const found = Number(row?.['complete_until'])
    const logFound = Number(row?.['log_complete_until'] ?? Infinity)
    if (logFound < logBefore) {
      this.#completeUntil = found
      this.#logCompleteUntil = logFound
      return { row, completeUntil: found }
    }
    if (logFound < Infinity) this.#logCompleteUntil = Math.max(this.#logCompleteUntil, logFound)
    const completeUntil = Math.max(answeredBefore, found)
    this.#completeUntil = Math.max(this.#completeUntil, completeUntil)
    return { row, completeUntil }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using closing = new AsyncDisposableStack()
    closing.use(this.#commits)
    closing.use(this.#reads)
    closing.use(this.#changes)
    closing.use(this.#upkeep)
    closing.use(this.#leases)
    closing.use(this.#merger)
  }
}
