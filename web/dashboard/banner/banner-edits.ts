import type { Banner, BannerChange } from '../api/api.ts'

/** What somebody has typed; undefined: the banner's own, whoever changes it meanwhile. */
export interface BannerEdits {
  readonly name?: string
  readonly url?: string
}

/** Only what differs: the rest may be changed by somebody else at the same time. */
export function changeOf(banner: Banner, { name, url }: BannerEdits): BannerChange {
  return {
    ...(name !== undefined && name !== banner.name && { name }),
    ...(url !== undefined && url !== (banner.url ?? '') && { url: url === '' ? null : url }),
  }
}
