// Which store stands behind the ports, for the service and for commands.
import type { Clock, HeldClock } from './clock.ts'
import type { Config } from './config.ts'
import { OperatorError } from './errors.ts'
import type { PartitionStore } from './log/kafka/partition-store.ts'
import type { BannerStore } from './registry/banner-store.ts'
import type { Check } from './check.ts'
import type { CopySource, CopyTarget } from './store/copy-store.ts'
import type { CountStore } from './store/count-store.ts'
import type { ImportStore } from './store/import-store.ts'
import type { FiguresStore } from './store/store-figures.ts'
import type { TalliedObserver } from './store/tallied.ts'
import type { Migration } from './store/schema.ts'
import { backUpFolder, type Backup } from './store/sqlite/backup.ts'
import { SqliteCopySource } from './store/sqlite/copy-source.ts'
import { SqliteCopyTarget } from './store/sqlite/copy-target.ts'
import { SqliteDatabase } from './store/sqlite/database.ts'
import { SqliteGuest } from './store/sqlite/guest.ts'
import { migrateFolder } from './store/sqlite/migrate.ts'

export type Store = CountStore &
  BannerStore &
  ImportStore &
  FiguresStore &
  AsyncDisposable & {
    readonly clock: HeldClock
    /** Why clicks could probably not be counted now, as far as is known without trying. */
    readonly trouble: string | undefined
  }

export interface OpenedStore {
  readonly store: Store
  /**
   * Throws `store_unavailable` while the store is away; before it nothing else is to be called. Returns
   * warnings for the operator.
   */
  readonly prepare: () => Promise<readonly string[]>
  /** Runs beside the service, once it is prepared, until its signal aborts. */
  readonly stayAlive: ((signal: AbortSignal) => Promise<void>) | undefined
  /** Where the partitions of a Kafka log are counted from: what the embedded store does not have. */
  readonly partitions: PartitionStore | undefined
}

export async function openStore(
  { store: config, clickLog }: Pick<Config, 'store' | 'clickLog'>,
  onTallied?: TalliedObserver,
): Promise<OpenedStore> {
  if (config.kind === 'sqlite') {
    const store = new SqliteDatabase({ folder: config.folder, onTallied })
    return { store, prepare: async () => [], stayAlive: undefined, partitions: undefined }
  }
  // Only where it is needed: the driver takes 6 MB.
  const { PostgresDatabase } = await import('./store/postgres/database.ts')
  const store = new PostgresDatabase({ ...config, onTallied })
  const { partitions } = store
  const prepare = async (): Promise<readonly string[]> => {
    const warnings = await store.prepare()
    // Clicks that wait in a log that nobody counts would be missing from every answer.
    if (clickLog.kind === 'direct') await partitions.closePartitions()
    return warnings
  }
  return { store, prepare, stayAlive: (signal) => store.stayAlive(signal), partitions }
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

/** An installation to copy from. Throws as `visitStore` does. */
export async function openCopySource(config: Config['store']): Promise<CopySource> {
  if (config.kind === 'sqlite') return new SqliteCopySource(config.folder)
  await (await visitStore(config, { writes: false }))[Symbol.asyncDispose]()
  const { PostgresCopySource } = await import('./store/postgres/copy-source.ts')
  return await PostgresCopySource.open(config.connection, config.label)
}

/** One to copy to; made if there is none. An embedded one must not be in use. */
export async function openCopyTarget(config: Config['store']): Promise<CopyTarget> {
  if (config.kind === 'sqlite') return new SqliteCopyTarget(config.folder)
  await (await visitStore(config, { writes: true }))[Symbol.asyncDispose]()
  const { PostgresCopyTarget } = await import('./store/postgres/copy-target.ts')
  return await PostgresCopyTarget.open(config.connection, config.label)
}

/** Writes the embedded store to a file, beside a service. Throws an OperatorError for another store. */
export async function backUpStore(config: Config['store'], file: string): Promise<Backup> {
  if (config.kind === 'sqlite') return await backUpFolder(config.folder, file)
  throw new OperatorError(
    `The store is ${config.label}: back it up by its own tools, as docs/operations.md says.`,
    { exitCode: 2 },
  )
}
