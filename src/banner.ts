/** The largest banner id: ids fit a signed 32-bit column. */
export const BANNER_ID_MAX = 2_147_483_647

export const BANNER_STATUSES = ['active', 'paused', 'archived'] as const
export type BannerStatus = (typeof BANNER_STATUSES)[number]

/** What is clicked. Ids are never reused: an archived banner keeps its row and its counts. */
export interface Banner {
  readonly id: number
  readonly name: string
  readonly url: string | null
  readonly status: BannerStatus
  /** Unix milliseconds. */
  readonly createdAt: number
}

/** What a caller gives to register a banner. */
export type BannerDraft = Omit<Banner, 'createdAt'>

/** The same, where the service may choose the id. */
export type NewBanner = Omit<BannerDraft, 'id'> & { readonly id?: number | undefined }

/** What a caller gives to change a banner: what is absent stays as it is. */
export type BannerChange = Partial<Omit<BannerDraft, 'id'>>

/** A banner id as it is written plainly in a URL (no sign, no leading zero), or undefined. */
export function parseBannerId(text: string): number | undefined {
  if (!/^[1-9]\d{0,9}$/.test(text)) return undefined
  const id = Number(text)
  return id <= BANNER_ID_MAX ? id : undefined
}
