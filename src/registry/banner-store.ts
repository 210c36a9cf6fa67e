import type { Banner, BannerChange, BannerDraft, BannerStatus, NewBanner } from '../banner.ts'
import { AppError } from '../errors.ts'

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
  /** The banners that changed, by the status that they have now. A row each would take 50 MB. */
  readonly ids: Readonly<Record<BannerStatus, readonly number[]>>
}

/** The banners at rest. Contract (test/contract/banner-store.ts): what is said below. */
export interface BannerStore {
  /** What a process keeps in memory, and how it follows; since version 0: every banner. */
  changesSince(version: number): Promise<BannerChanges>
  find(id: number): Promise<Banner | undefined>
  /** Those of some ids, in one look-up and in no order; ids that are not known have none. */
  findAll(ids: readonly number[]): Promise<readonly Banner[]>
  /** By id. */
  list(page: BannerPage): Promise<readonly Banner[]>
  /**
   * Registers a banner; one without an id gets the next one of the service's own counter, which
   * skips used ids and is not moved by given ones. Throws `banner_exists` for an id that was ever
   * used, `banner_ids_exhausted` when none is left.
   */
  add(banner: NewBanner): Promise<Banner>
  /**
   * Registers those whose ids were never used; `onlyFirst`: only if no banner was ever registered.
   * Returns how many it has registered.
   */
  addAll(drafts: readonly BannerDraft[], when: 'onlyFirst' | 'always'): Promise<number>
  /** Returns the banner as it is then, undefined if there is none. */
  change(id: number, change: BannerChange): Promise<Banner | undefined>
}

/** What `add` throws when nothing was registered. */
export function notAdded({ id }: NewBanner): AppError {
  return id === undefined
    ? new AppError(
        'banner_ids_exhausted',
        'No id is left to give out; give one of your own.',
        idFault('must be given: none is left to give out'),
      )
    : new AppError(
        'banner_exists',
        `Id ${id} is or was a banner's; choose another one, or none.`,
        idFault('must be one that no banner has, or had'),
      )
}

function idFault(message: string) {
  return { errors: [{ field: 'id', message }] }
}

/** The banner that was looked up. Throws `banner_not_found`. */
export function knownBanner(id: number, banner: Banner | undefined): Banner {
  if (banner === undefined) throw new AppError('banner_not_found', `There is no banner ${id}.`)
  return banner
}
