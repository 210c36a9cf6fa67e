import type { Banner, BannerDraft } from '../banner.ts'

export interface BannerPage {
  /** How many at most, from 1. */
  readonly limit: number
  /** Banners with larger ids only; 0 for the first page. */
  readonly after: number
  readonly withArchived: boolean
}

/** What changed in the registry since a version of it. */
export interface BannerChanges {
  /** The registry's version now; it rises with every change, in the order of their commits. */
  readonly version: number
  /** The banners that changed, archived ones too, by id. */
  readonly banners: readonly Pick<Banner, 'id' | 'status'>[]
}

/** The banners at rest. Contract (test/contract/banner-store.ts): what is said below. */
export interface BannerStore {
  /** What a process keeps in memory, and how it follows; since version 0: every banner. */
  changesSince(version: number): Promise<BannerChanges>
  find(id: number): Promise<Banner | undefined>
  /** By id. */
  list(page: BannerPage): Promise<readonly Banner[]>
  /** Registers all of them if no banner was ever registered; returns how many were. */
  seed(drafts: readonly BannerDraft[]): Promise<number>
}
