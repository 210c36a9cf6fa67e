import type { Banner } from '../banner.ts'

/** A banner of another installation; `version` is its registry's at the banner's last change. */
export interface CopiedBanner extends Banner {
  readonly version: number
}

export interface CopiedKey {
  readonly bannerId: number
  /** 16 bytes, the same in every store. */
  readonly hash: Uint8Array
  readonly countedAt: number
}

/** A UTC day of a banner, by its number since 1970. */
export interface DaySlot {
  readonly bannerId: number
  readonly day: number
}

/** What an installation has counted in one banner's day: what is copied at a time. */
export interface CountedDay extends DaySlot {
  /** 1,440 of them. May be less than the quarters say, where minutes are forgotten after a while. */
  readonly minutes: Int32Array
  /** 96 of them. */
  readonly quarters: Int32Array
  /** What of `minutes` and `quarters` was imported from the original service, by minute. */
  readonly imported: Int32Array
}

/** A day as its own sums have it. */
export interface DayTotal extends DaySlot {
  readonly total: number
  /** How much of it was imported from the original service. */
  readonly imported: number
}

/** The same on the side that was copied to. */
export interface TakenTotal {
  /** What it answers for the day, with what it has counted and imported itself. */
  readonly total: number
  /** What came by copy from one source, without what that had imported. */
  readonly copied: number
  readonly imported: number
}

/** What there is of an installation besides rows. */
export interface InstallationState {
  /** The id that its service gives out next. */
  readonly nextId: number
  /** The last instant of its clock. */
  readonly instant: number
  /** Times before this instant are known to the quarter of an hour; 0: none are. */
  readonly minutesFrom: number
  /** Clicks may wait in a click log that is counted later. */
  readonly hasOpenLog: boolean
}

/**
 * An installation to copy from. Contract (test/cli/copy.test.ts): all answers are of one snapshot, by
 * pages of bounded size, beside a service that counts.
 */
export interface CopySource extends AsyncDisposable {
  /** Its random id; a backup that was restored has the same. */
  readonly installation: string
  state(): Promise<InstallationState>
  banners(): AsyncIterable<readonly CopiedBanner[]>
  keys(): AsyncIterable<readonly CopiedKey[]>
  days(): AsyncIterable<readonly CountedDay[]>
  totals(): AsyncIterable<readonly DayTotal[]>
}

/**
 * An installation to copy to. Contract (the same test): each call is one transaction, which has no
 * effect when it is repeated; `source` is the id of the installation that is copied. Nobody else
 * copies to it meanwhile.
 */
export interface CopyTarget extends AsyncDisposable {
  readonly installation: string
  /** The ids under which it has other banners: ones that did not come from there, with another name or URL. */
  conflicts(source: string, banners: readonly CopiedBanner[]): Promise<readonly number[]>
  /** Returns how many were added or have changed. */
  takeBanners(source: string, banners: readonly CopiedBanner[]): Promise<number>
  /** `own` are keys that it has from clicks of its own. */
  takeKeys(keys: readonly CopiedKey[]): Promise<{ readonly added: number; readonly own: number }>
  /** Adds what the days have gained since they were last copied; returns the clicks. */
  takeDays(source: string, days: readonly CountedDay[]): Promise<number>
  /**
   * Neither ids nor instants that were given out are given out again, and minutes that the source has
   * given up are none here.
   */
  takeState(state: InstallationState): Promise<void>
  /** One for each slot. */
  totalsOf(source: string, slots: readonly DaySlot[]): Promise<readonly TakenTotal[]>
}

/** How many banners or keys are copied at a time. */
export const PAGE_ROWS = 5_000
/** How many days of banners: each takes 12 KB, a few times over. */
export const PAGE_DAYS = 30
