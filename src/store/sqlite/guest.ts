import { existsSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import type { Banner, BannerDraft, NewBanner } from '../../banner.ts'
import type { Tally } from '../../click.ts'
import { steadyClock, type Clock } from '../../clock.ts'
import { OperatorError } from '../../errors.ts'
import { notAdded, type BannerPage, type BannerStore } from '../../registry/banner-store.ts'
import type { CountStore, Slice } from '../count-store.ts'
import { checkSchema } from '../schema.ts'
import { addBanner, addBanners, findBanner, listBanners } from './banners.ts'
import { databaseFile, openForReading, openForWriting } from './connection.ts'
import { asSentence } from './failure.ts'
import { checkIsFolder } from './folder-lock.ts'
import { migrateFolder, schemaVersion } from './migrate.ts'
import { readSeries, storedInstant } from './reads.ts'

/** A service that commits without a pause leaves the file free for a moment at a time. */
const BUSY_TIMEOUT_MS = 10_000

/**
 * The embedded store for one command, beside a service that may own the folder: one connection, in
 * this thread, without the folder's lock. It commits no clicks and merges none: the owner keeps
 * count of what it has to merge. Throws an OperatorError where there is no database of this version;
 * a guest that writes makes one where there is none.
 */
export class SqliteGuest
  implements
    Pick<CountStore, 'series'>,
    Pick<BannerStore, 'find' | 'list' | 'add' | 'addAll'>,
    AsyncDisposable
{
  readonly clock: Clock
  readonly #folder: string
  readonly #database: DatabaseSync

  constructor({ folder, writes }: { readonly folder: string; readonly writes: boolean }) {
    this.#folder = folder
    using building = new DisposableStack()
    this.#database = asSentence(folder, () => building.use(openGuest(folder, writes)))
    // The owner's clock is behind neither, so what is acknowledged before this one's instants was
    // committed before they were read.
    this.clock = steadyClock(this.#do(storedInstant))
    building.move()
  }

  #do<T>(work: (database: DatabaseSync) => T): T {
    return asSentence(this.#folder, () => work(this.#database))
  }

  async series(bannerIds: readonly number[], tally: Tally, slices: readonly Slice[]) {
    const completeUntil = this.clock.now() // before the snapshot opens
    const read = this.#do((database) => readSeries(database, { bannerIds, tally, slices }))
    return { ...read, completeUntil }
  }

  async find(id: number): Promise<Banner | undefined> {
    return this.#do((database) => findBanner(database, id))
  }

  async list(page: BannerPage): Promise<readonly Banner[]> {
    return this.#do((database) => listBanners(database, page))
  }

  async add(banner: NewBanner): Promise<Banner> {
    const instant = this.clock.now()
    const added = this.#do((database) => addBanner(database, { banner, instant }))
    if (added === undefined) throw notAdded(banner)
    return added
  }

  async addAll(drafts: readonly BannerDraft[], when: 'onlyFirst' | 'always'): Promise<number> {
    const instant = this.clock.now()
    return this.#do((database) => addBanners(database, { drafts, when, instant }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close()
  }
}

/** Throws an OperatorError where there is no database of this version. */
export function openGuest(folder: string, writes: boolean): DatabaseSync {
  const file = databaseFile(folder)
  checkIsFolder(folder)
  if (writes && !existsSync(file)) migrateFolder(folder)
  if (!existsSync(file)) throw noDatabase(folder)
  using building = new DisposableStack()
  const database = building.use(writes ? openForWriting(file) : openForReading(file))
  // A pragma takes no parameters; this is a number of our own.
  database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`)
  const version = schemaVersion(database)
  if (version === 0) throw noDatabase(folder) // its first start is under way, or failed
  checkSchema('sqlite', version)
  building.move()
  return database
}

function noDatabase(folder: string): OperatorError {
  return new OperatorError(`There is no database in ${folder} yet; start the service once.`)
}
