import { hash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { BlockList } from 'node:net'
import { AppError } from '../errors.ts'
import { headerOf } from './header.ts'

/** Who may use a route: everybody, readers if there is a READ_TOKEN, or administrators. */
export type Access = 'open' | 'read' | 'change'

export interface Tokens {
  readonly read: string | undefined
  readonly admin: string | undefined
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i
const FORWARDING_HEADER = /^(?:forwarded|via|x-forwarded-.*)$/i

/** Throws `unauthorized`, `forbidden` or `admin_token_required`. */
export function checkAccess(access: Access, tokens: Tokens, message: IncomingMessage): void {
  if (access === 'read') checkRead(tokens, message)
  if (access === 'change') checkChange(tokens, message)
}

/** Throws `unauthorized` unless reading is open, or the request carries a token that may read. */
export function checkRead(tokens: Tokens, message: IncomingMessage): void {
  if (tokens.read === undefined) return
  const bearer = bearerOf(tokens, message)
  if (!bearer.isReader && !bearer.isAdmin) throw unauthorized('read', bearer.isGiven)
}

function checkChange(tokens: Tokens, message: IncomingMessage): void {
  if (tokens.admin === undefined) {
    if (isLocal(message)) return
    throw new AppError(
      'admin_token_required',
      'Banners can be changed from the machine of the service only, until ADMIN_TOKEN is set.',
    )
  }
  const bearer = bearerOf(tokens, message)
  if (bearer.isAdmin) return
  if (bearer.isReader) throw new AppError('forbidden', 'The read token may not change anything.')
  throw unauthorized('admin', bearer.isGiven)
}

/** Both tokens are compared, always: the time tells nothing of which one was close. */
function bearerOf(tokens: Tokens, message: IncomingMessage) {
  const given = /^Bearer +(\S+)$/i.exec(headerOf(message, 'authorization') ?? '')?.[1]
  return {
    isGiven: given !== undefined,
    isReader: isEqual(given, tokens.read),
    isAdmin: isEqual(given, tokens.admin),
  }
}

/** Digests have one length, which timingSafeEqual needs, and hide that of the token. */
function isEqual(given: string | undefined, token: string | undefined): boolean {
  if (given === undefined || token === undefined) return false
  return timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', token, 'buffer'))
}

function unauthorized(token: 'read' | 'admin', isGiven: boolean): AppError {
  return new AppError(
    'unauthorized',
    isGiven
      ? `The token is not the ${token} token.`
      : `Send the header "Authorization: Bearer <${token} token>".`,
  )
}

/**
 * Sent on this machine, to this machine, by somebody who knows it: not by a proxy on it, nor by a
 * page of another site in a browser on it, also not under a name that leads here (DNS rebinding).
 */
function isLocal(message: IncomingMessage): boolean {
  const { socket, rawHeaders, httpVersion, url = '' } = message
  const { remoteAddress = '', remoteFamily = 'IPv4' } = socket
  const target = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1]
  const hosts = [headerOf(message, 'host') ?? '', ...(target === undefined ? [] : [target])]
  return (
    httpVersion === '1.1' && // what some proxies speak that add no header
    LOOPBACK.check(remoteAddress, remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4') &&
    hosts.every((host) => LOOPBACK_HOST.test(host)) &&
    !rawHeaders.some((name, index) => index % 2 === 0 && FORWARDING_HEADER.test(name)) &&
    !/cross-site/i.test(headerOf(message, 'sec-fetch-site') ?? '')
  )
}
