// What the client's errors mean. They are nested: one for several brokers holds one for each, one for a
// connection has its cause, and only the innermost say what has happened.
import { AppError } from '../../errors.ts'

/** What a broker refuses until an operator mends it. */
export interface Refusal {
  /** What the broker does, as the rest of a sentence. */
  readonly found: string
  readonly remedy: string
}

const REFUSED_LOGIN: Refusal = {
  found: 'refuses user or password',
  remedy: 'correct KAFKA_USERNAME and KAFKA_PASSWORD',
}
const REFUSED_MECHANISM: Refusal = {
  found: 'does not take this KAFKA_SASL_MECHANISM',
  remedy: 'set KAFKA_SASL_MECHANISM to one of its sasl.enabled.mechanisms',
}
const UNWANTED_SASL: Refusal = {
  found: 'asks for no user and password',
  remedy: 'name the port of its SASL listener in KAFKA_BROKERS, or unset KAFKA_SASL_MECHANISM',
}
const UNWANTED_PLAIN: Refusal = {
  found: 'asks for TLS',
  remedy:
    'set KAFKA_TLS=on, and KAFKA_TLS_CA unless its certificate is signed by a public authority',
}
const MISSING_RIGHTS: Refusal = {
  found: 'does not give the rights',
  remedy:
    'allow KAFKA_USERNAME to describe, create, read and write the topic, and to describe its settings',
}
const UNTRUSTED: Refusal = {
  found: 'has a certificate that nobody vouches for',
  remedy: 'set KAFKA_TLS_CA to the certificate that signed it',
}
const OF_ANOTHER: Refusal = {
  found: 'has the certificate of another host',
  remedy: 'name the broker in KAFKA_BROKERS as its certificate does',
}
const EXPIRED: Refusal = {
  found: 'has a certificate that is not valid today',
  remedy: 'renew its certificate, or set the clock of this machine',
}
const REFUSED_CERTIFICATE: Refusal = {
  found: 'wants a certificate of this service that it trusts',
  remedy: 'set KAFKA_TLS_CERT and KAFKA_TLS_KEY to one that is signed for this broker',
}

/** By names of Kafka's protocol, and codes of Node.js and OpenSSL. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  SASL_AUTHENTICATION_FAILED: REFUSED_LOGIN,
  UNSUPPORTED_SASL_MECHANISM: REFUSED_MECHANISM,
  ILLEGAL_SASL_STATE: UNWANTED_SASL,
  TOPIC_AUTHORIZATION_FAILED: MISSING_RIGHTS,
  CLUSTER_AUTHORIZATION_FAILED: MISSING_RIGHTS,
  GROUP_AUTHORIZATION_FAILED: MISSING_RIGHTS,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  ERR_TLS_CERT_ALTNAME_INVALID: OF_ANOTHER,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: EXPIRED,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: REFUSED_CERTIFICATE,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: REFUSED_CERTIFICATE,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: REFUSED_CERTIFICATE,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: REFUSED_CERTIFICATE,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: REFUSED_CERTIFICATE,
}
/** All that the client says of a broker that answers with the first byte of TLS. */
const TLS_ASKED = 'Broker requires TLS.'

/**
 * Undefined: the same may succeed later. An authentication that failed is no refusal by itself: a
 * broker that is killed meanwhile ends like that.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  for (const part of partsOf(error)) {
    const names = [nameIn(part, 'apiId'), nameIn(part, 'code')]
    const refusal = names.map((name) => REFUSALS[name ?? '']).find((each) => each !== undefined)
    if (refusal !== undefined) return refusal
    if (part.message === TLS_ASKED) return UNWANTED_PLAIN
  }
  return undefined
}

/** What the brokers answered, in the names of Kafka's protocol, such as `OFFSET_OUT_OF_RANGE`. */
export function apiIdsOf(error: unknown): string[] {
  const ids = partsOf(error).map((part) => nameIn(part, 'apiId'))
  return [...new Set(ids.filter((id) => id !== undefined))]
}

/** The brokers say that there is no topic of this name. */
export function isTopicUnknown(error: unknown): boolean {
  // The client replaces the answer to a question about topics by an error of its own.
  const isSaid = partsOf(error).some(({ message }) => message.startsWith('Unknown topic'))
  return isSaid || apiIdsOf(error).includes('UNKNOWN_TOPIC_OR_PARTITION')
}

/** The offset that was asked for is not in the log. */
export function isOutOfRange(error: unknown): boolean {
  return apiIdsOf(error).includes('OFFSET_OUT_OF_RANGE')
}

/** What was to be written is more than the topic takes at once: nothing of it is in the log. */
export function isTooLarge(error: unknown): boolean {
  return apiIdsOf(error).some((id) => ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(id))
}

/** It is the log that is away, and not the store behind it. */
export class LogAway extends AppError {
  constructor(message: string, options?: ErrorOptions) {
    super('store_unavailable', message, options)
  }
}

/** What the client throws, as what may succeed later. */
export function brokerAway(cause: unknown): LogAway {
  const refusal = refusalOf(cause)
  const reason = refusal === undefined ? troubleOf(cause) : `it ${refusal.found}`
  return new LogAway(`Kafka does not answer: ${reason}`, { cause })
}

/** What was said in the first place, by each broker. */
export function troubleOf(error: unknown): string {
  const innermost = partsOf(error).filter((part) => within(part).length === 0)
  const trouble = new Set(innermost.map(({ message }) => message.replace(/\.$/, '')))
  return trouble.size > 0 ? [...trouble].join('; ') : String(error)
}

/** The error and all that it is made of, from the outside in. */
function partsOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...within(error).flatMap(partsOf)] : []
}

function within(error: Error): unknown[] {
  const several: readonly unknown[] = error instanceof AggregateError ? error.errors : []
  const all = error.cause === undefined ? several : [...several, error.cause]
  return all.filter((each) => each instanceof Error)
}

function nameIn(error: Error, property: 'apiId' | 'code'): string | undefined {
  const value: unknown = Reflect.get(error, property)
  return typeof value === 'string' ? value : undefined
}
