import { statSync } from 'node:fs'
import type { Banner, BannerChange, BannerDraft, NewBanner } from '../../banner.ts'
import type { Tally } from '../../click.ts'
import { steadyClock, type HeldClock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import {
  notAdded,
  type BannerChanges,
  type BannerPage,
  type BannerStore,
} from '../../registry/banner-store.ts'
import type { Aggregate, CountStore, MinuteCounts, Minutes, Slice } from '../count-store.ts'
import type { ImportedCount, ImportOutcome, ImportStore } from '../import-store.ts'
import type { FiguresStore, StoreFigures } from '../store-figures.ts'
import { talliedOf, type TalliedObserver } from '../tallied.ts'
import { databaseFile, openForWriting } from './connection.ts'
import { asSentence } from './failure.ts'
import { lockFolder } from './folder-lock.ts'
import { migrate } from './migrate.ts'
import { packDeltas, packKeyed } from './packed.ts'
import type { ReaderCalls, ReaderData } from './reader.ts'
import { storedInstant } from './reads.ts'
import { Thread } from './thread.ts'
import type { WriterCalls, WriterData } from './writer.ts'

/** A read takes 0.1 to 80 ms, and the thread takes one at a time. */
const READS_WAITING_MAX = 200

export interface SqliteOptions {
  readonly folder: string
  /** For tests: a file that cannot grow past this many pages is a full disk. */
  readonly pagesMax?: number
  /** For tests: the machine's clock. */
  readonly wall?: () => number
  readonly onTallied?: TalliedObserver | undefined
}

/**
 * The embedded store: one file in a folder that belongs to one process. Writes go through one
 * thread, reads through another, each with a connection of its own.
 */
export class SqliteDatabase
  implements CountStore, BannerStore, ImportStore, FiguresStore, AsyncDisposable
{
  readonly clock: HeldClock
  /** A folder is not away; what keeps clicks from being counted shows when one comes. */
  readonly trouble = undefined
  readonly #lock: Disposable
  readonly #file: string
  readonly #onTallied: TalliedObserver | undefined
  readonly #writer: Thread<WriterCalls>
  readonly #reader: Thread<ReaderCalls>

  constructor(options: SqliteOptions) {
    using building = new DisposableStack()
    this.#lock = building.use(lockFolder(options.folder))
    const file = databaseFile(options.folder)
    this.#file = file
    this.#onTallied = options.onTallied
    const { lastInstant } = asSentence(options.folder, () => prepare(file))
    this.clock = steadyClock(lastInstant, options.wall)
    const writerData: WriterData = { file, pagesMax: options.pagesMax }
    const readerData: ReaderData = { file }
    this.#writer = new Thread<WriterCalls>('writer', writerData)
    this.#reader = new Thread<ReaderCalls>('reader', readerData)
    building.move()
  }

  open(source: string, from: bigint): Promise<bigint> {
    return this.#writer.call('open', { source, from, instant: this.clock.now() })
  }

  async commit(aggregate: Aggregate): Promise<'counted' | 'superseded'> {
    const { span, deltas, keyed } = aggregate
    const { outcome, fresh } = await this.#writer.call('commit', {
      span,
      deltas: packDeltas(deltas),
      keyed: packKeyed(keyed),
      instant: this.clock.now(),
    })
    if (outcome === 'counted') {
      const answer = fresh === undefined ? undefined : { fresh, deadLetters: 0 }
      this.#onTallied?.(talliedOf(aggregate, answer))
    }
    return outcome
  }

  async series(bannerIds: readonly number[], tally: Tally, slices: readonly Slice[]) {
    // Read before the snapshot opens: what was acknowledged before this instant was committed
    // before it too, so the snapshot has it.
    const completeUntil = this.clock.now()
    return { ...(await this.#read('series', { bannerIds, tally, slices })), completeUntil }
  }

  async totals(tally: Tally, slices: readonly Slice[]) {
    const completeUntil = this.clock.now()
    return { ...(await this.#read('totals', { tally, slices })), completeUntil }
  }

  recent(tally: Tally, minutes: Minutes): Promise<readonly MinuteCounts[]> {
    return this.#read('recent', { tally, minutes })
  }

  /** Asks the writer, too: while it waits for the disk nothing is complete beyond this instant. */
  async figures(): Promise<StoreFigures> {
    const completeUntil = this.clock.now()
    const [unmergedBatches, mergeFailures] = await Promise.all([
      this.#read('unmergedBatches', undefined),
      this.#writer.call('mergeFailures', undefined),
    ])
    return { completeUntil, unmergedBatches, mergeFailures, deadLetters: undefined }
  }

  /** Of the file, and of the log beside it. */
  async bytes(): Promise<number> {
    return [this.#file, `${this.#file}-wal`].reduce(
      (sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
  }

  /** What is acknowledged is counted: everything is complete until now. */
  purgeKeys(retentionMs: number, limit: number): Promise<number> {
    const instant = this.clock.now()
    const before = this.#time() - retentionMs
    return this.#writer.call('purgeKeys', { before, limit, instant })
  }

  purgeMinutes(retentionMs: number, limit: number): Promise<number> {
    return this.#writer.call('purgeMinutes', { before: this.#time() - retentionMs, limit })
  }

  /** Not that of a clock that is held: what it gives up too soon does not come back. */
  #time(): number {
    return this.clock.now() - this.clock.aheadMs
  }

  importCounts(counts: readonly ImportedCount[]): Promise<ImportOutcome> {
    return this.#writer.call('importCounts', { counts, instant: this.clock.now() })
  }

  /** Who follows the banners learns here, too, that writing has failed for good. */
  async changesSince(version: number): Promise<BannerChanges> {
    const { failure } = this.#writer
    if (failure !== undefined) throw failure
    return this.#read('bannerChanges', version)
  }

  find(id: number): Promise<Banner | undefined> {
    return this.#read('findBanner', id)
  }

  findAll(ids: readonly number[]): Promise<readonly Banner[]> {
    return this.#read('findBanners', ids)
  }

  list(page: BannerPage): Promise<readonly Banner[]> {
    return this.#read('listBanners', page)
  }

  async add(banner: NewBanner): Promise<Banner> {
    const added = await this.#writer.call('addBanner', { banner, instant: this.clock.now() })
    if (added === undefined) throw notAdded(banner)
    return added
  }

  addAll(drafts: readonly BannerDraft[], when: 'onlyFirst' | 'always'): Promise<number> {
    return this.#writer.call('addBanners', { drafts, when, instant: this.clock.now() })
  }

  change(id: number, change: BannerChange): Promise<Banner | undefined> {
    return this.#writer.call('changeBanner', { id, change })
  }

  /** Reads that come in faster than they are answered are refused before they fill the memory. */
  #read<N extends keyof ReaderCalls>(
    name: N,
    argument: Parameters<ReaderCalls[N]>[0],
  ): Promise<ReturnType<ReaderCalls[N]>> {
    if (this.#reader.waiting < READS_WAITING_MAX) return this.#reader.call(name, argument)
    const detail = 'Too many requests wait for the store; see Retry-After.'
    return Promise.reject(new AppError('store_unavailable', detail))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The reader first: the last connection to close writes the log back into the file.
    await using closing = new AsyncDisposableStack()
    closing.use(this.#lock)
    closing.use(this.#writer)
    closing.use(this.#reader)
    await this.#reader.call('close', undefined)
    await this.#writer.call('close', this.clock.now())
  }
}

/** Migrates before the threads open their connections; a refusal then is an ordinary exception. */
function prepare(file: string): { lastInstant: number } {
  const database = openForWriting(file)
  try {
    migrate(database)
    return { lastInstant: storedInstant(database) }
  } finally {
    database.close()
  }
}
