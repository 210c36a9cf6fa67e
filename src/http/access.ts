import { hash, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'

export interface Tokens {
  readonly read: string | undefined
  readonly admin: string | undefined
}

/** Throws `unauthorized` unless reading is open, or the header carries a token that may read. */
export function checkRead(tokens: Tokens, authorization: string | undefined): void {
  if (tokens.read === undefined) return
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (given !== undefined) {
    // Both are compared, always: the time tells nothing of which one was close.
    const isRead = isEqual(given, tokens.read)
    const isAdmin = tokens.admin !== undefined && isEqual(given, tokens.admin)
    if (isRead || isAdmin) return
  }
  throw new AppError(
    'unauthorized',
    given === undefined
      ? 'Send the header "Authorization: Bearer <read token>".'
      : 'The token is not the read token.',
  )
}

/** Digests have one length, which timingSafeEqual needs, and hide that of the token. */
function isEqual(given: string, token: string): boolean {
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', token, 'buffer'))
}
