import type { Banner, BannerDraft } from '../banner.ts'

export interface BannerPage {
  /** How many at most, from 1. */
  readonly limit: number
  /** Banners with larger ids only; 0 for the first page. */
  readonly after: number
  readonly withArchived: boolean
}

/** The banners at rest. Contract (test/contract/banner-store.ts): what is said below. */
export interface BannerStore {
  /** Every banner, archived ones too, by id: what a process keeps in memory. */
  all(): Promise<readonly Pick<Banner, 'id' | 'status'>[]>
  find(id: number): Promise<Banner | undefined>
  /** By id. */
  list(page: BannerPage): Promise<readonly Banner[]>
  /** Registers all of them if no banner was ever registered; returns how many were. */
  seed(drafts: readonly BannerDraft[]): Promise<number>
}
