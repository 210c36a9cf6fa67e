// The rules that values of settings keep. Each throws a RangeError whose message is the rule.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { readTextFile } from './lib/secret-file.ts'
import { parseBanners } from './registry/banners-file.ts'

const TOKEN_CHARACTERS_MIN = 16
const KAFKA_PORT = 9_092
export const POSTGRES_PORT = '5432'
export const POSTGRES_USER = 'postgres'
/** The bundle of a system has a quarter of it. */
const PEM_BYTES_MAX = 1_048_576
/** Far beyond any that a start could load. */
const BANNERS_BYTES_MAX = 256 * 1_048_576

export interface Broker {
  readonly host: string
  readonly port: number
}

export function text(value: string): string {
  return value
}

export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw new RangeError(`must be an integer from ${min} to ${max}`)
  }
}

export function oneOf<const T extends string>(values: readonly T[]): (value: string) => T {
  return (value) => {
    const found = values.find((each) => each === value)
    if (found !== undefined) return found
    throw new RangeError(`must be one of ${values.join(', ')}`)
  }
}

export function token(value: string): string {
  if (value.length >= TOKEN_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(value)) return value
  throw new RangeError(`must have at least ${TOKEN_CHARACTERS_MIN} visible ASCII characters`)
}

/** A name or an address, and no port behind it. */
function isAddress(value: string): boolean {
  return isIPv6(value) || /^[\p{L}\p{N}_][\p{L}\p{N}._-]*$/u.test(value)
}

export function address(value: string): string {
  if (isAddress(value)) return value
  throw new RangeError('must be the name or the address of a host, without a port')
}

export function hostOrFolder(value: string): string {
  if (isAddress(value) || value.startsWith('/')) return value
  throw new RangeError(
    'must be a host, or the folder of a socket, from the root; no URL, and without a port',
  )
}

/** `kafka-1:9092,kafka-2,[::1]:9092` */
export function brokers(value: string): readonly Broker[] {
  return value.split(',').map((each) => broker(each.trim()))
}

function broker(value: string): Broker {
  const [, inBrackets, name, port = KAFKA_PORT] =
    /^(?:\[([^\]]+)\]|([a-z0-9][a-z0-9._-]*))(?::(\d{1,5}))?$/i.exec(value) ?? []
  const host = inBrackets ?? name
  const isHost = inBrackets === undefined || isIPv6(inBrackets)
  const isPort = Number(port) >= 1 && Number(port) <= 65_535
  if (host !== undefined && isHost && isPort) return { host, port: Number(port) }
  throw new RangeError(
    'must be host:port, several separated by commas, IPv6 in brackets, and no protocol before them',
  )
}

/** Those that Kafka takes. */
export function topic(value: string): string {
  if (/^[\w.-]{1,249}$/.test(value) && value !== '.' && value !== '..') return value
  throw new RangeError('must be 1 to 249 of letters, digits, ".", "_" and "-"')
}

/** The path of a file of banners, which is read again if this is the first start. */
export function bannersFile(path: string): string {
  const contents = readTextFile(path, 'names', BANNERS_BYTES_MAX)
  try {
    parseBanners(contents)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new RangeError(`names a file that ${cause.message}`, { cause })
  }
  return path
}

/** The path of a file with one or more; returns what it holds. */
export function certificates(path: string): string {
  return pem(path, 'is no certificate in PEM', (contents) => new X509Certificate(contents))
}

/** The path of a file with one; returns what it holds. */
export function privateKey(path: string): string {
  const rule = 'is no private key in PEM without a passphrase'
  return pem(path, rule, (contents) => createPrivateKey(contents))
}

/** A certificate and a private key, as texts. */
export function isPair(certificate: string, key: string): boolean {
  return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
}

function pem(path: string, rule: string, parse: (contents: string) => unknown): string {
  const contents = readTextFile(path, 'names', PEM_BYTES_MAX)
  try {
    parse(contents)
  } catch (cause) {
    // What OpenSSL says ("no start line") helps nobody.
    throw new RangeError(`names a file that ${rule}`, { cause })
  }
  return contents
}
