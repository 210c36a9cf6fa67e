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

const NAME_CODE_POINTS_MAX = 200
const URL_CHARACTERS_MAX = 2_048
// C0, DEL and C1: none of them can be typed, and all of them can forge a log line or a CSV row.
const CONTROL_CHARACTER = /\p{Cc}/u

/** A banner id as it is written plainly in a URL (no sign, no leading zero), or undefined. */
export function parseBannerId(text: string): number | undefined {
  if (!/^[1-9]\d{0,9}$/.test(text)) return undefined
  const id = Number(text)
  return id <= BANNER_ID_MAX ? id : undefined
}

/** The rule that a name breaks, or undefined. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'must be a string'
  if (!name.isWellFormed()) return 'must not hold lone surrogates'
  const codePoints = Array.from(name).length
  if (codePoints < 1 || codePoints > NAME_CODE_POINTS_MAX) {
    return `must have 1 to ${NAME_CODE_POINTS_MAX} characters`
  }
  if (CONTROL_CHARACTER.test(name)) return 'must not hold control characters'
  return name.trim() === '' ? 'must not be blank' : undefined
}

/** The rule that a destination breaks, or undefined. */
export function urlProblem(url: unknown): string | undefined {
  if (url === null) return undefined
  const rule = `must be null or an http or https URL of at most ${URL_CHARACTERS_MAX} characters`
  if (typeof url !== 'string' || url.length > URL_CHARACTERS_MAX) return rule
  if (CONTROL_CHARACTER.test(url) || !url.isWellFormed()) return rule
  const parsed = URL.parse(url)
  return parsed?.protocol === 'http:' || parsed?.protocol === 'https:' ? undefined : rule
}
