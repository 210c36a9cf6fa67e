// The thread that answers reads, on a connection of its own.
import type { DatabaseSync } from 'node:sqlite'
import { workerData } from 'node:worker_threads'
import type { Tally } from '../../click.ts'
import type { BannerPage } from '../../registry/banner-store.ts'
import type { Slice } from '../count-store.ts'
import { findBanner, findBanners, listBanners, readBannerChanges } from './banners.ts'
import { openForReading } from './connection.ts'
import {
  countUnmerged,
  readRecent,
  readSeries,
  readTotals,
  snapshot,
  type RecentCall,
  type SeriesCall,
} from './reads.ts'
import { serveCalls } from './thread.ts'

export interface ReaderData {
  readonly file: string
}

export type ReaderCalls = ReturnType<typeof readerCalls>

// Set by SqliteDatabase; a thread gets its parameters untyped.
const { file } = workerData as ReaderData
serveCalls(readerCalls(openForReading(file)))

function readerCalls(database: DatabaseSync) {
  return {
    series: (call: SeriesCall) => readSeries(database, call),
    totals: (call: { tally: Tally; slices: readonly Slice[] }) => readTotals(database, call),
    recent: (call: RecentCall) => readRecent(database, call),
    bannerChanges: (since: number) => snapshot(database, () => readBannerChanges(database, since)),
    findBanner: (id: number) => findBanner(database, id),
    findBanners: (ids: readonly number[]) => findBanners(database, ids),
    listBanners: (page: BannerPage) => listBanners(database, page),
    unmergedBatches: () => countUnmerged(database),
    close: () => database.close(),
  }
}
