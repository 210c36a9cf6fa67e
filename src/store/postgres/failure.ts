import { AppError, OperatorError } from '../../errors.ts'

// Classes of SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html
const UNTRUSTWORTHY: Readonly<Record<string, string>> = {
  '0A': 'feature not supported',
  '22': 'data exception',
  '23': 'integrity constraint violation',
  '2F': 'SQL routine exception',
  '42': 'syntax error, missing table or missing right',
  P0: 'PL/pgSQL error',
  XX: 'internal error, or damaged data',
}

const READ_ONLY = '25006'
/** What an operator has to mend, by SQLSTATE. */
const REFUSALS: Readonly<Record<string, string>> = {
  [READ_ONLY]: 'can only be read',
  '28000': 'refuses the user',
  '28P01': 'refuses the password',
  '3D000': 'has no such database',
  '3F000': 'has no schema that tables may be made in',
  '42501': 'does not give the rights',
}

/** The driver's own words. */
const NO_TLS = 'The server does not support SSL connections'

/**
 * The same statement may succeed later: the server is away, stopping, full, or took too long; or its
 * answer was lost. Everything else is a mistake of ours or a damaged database, and ends the process.
 */
export function isPassing(error: unknown): boolean {
  if (error instanceof AppError || error instanceof OperatorError) return false
  const state = sqlState(error)
  if (state !== undefined) return !(state.slice(0, 2) in UNTRUSTWORTHY)
  // Sockets and the driver throw plain errors, such as "Query read timeout"; mistakes have other names.
  return error instanceof Error && ['Error', 'AggregateError'].includes(error.name)
}

/** The data of the statement is what the database cannot take, and it has taken nothing of it. */
export function isOfTheData(error: unknown): boolean {
  return ['22', '23'].includes(sqlState(error)?.slice(0, 2) ?? '')
}

/** What the server refuses until an operator mends it, as a sentence; undefined for other errors. */
export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const cause = causeOf(error)
  // The driver's own words, too, when the server asks for a password and there is none.
  if (cause instanceof Error && cause.message.startsWith('SASL:')) return 'asks for a password'
  if (cause instanceof Error && cause.message === NO_TLS) return `offers no TLS (${cause.message})`
  const refusal = REFUSALS[sqlState(cause) ?? '']
  return refusal && `${refusal} (${cause instanceof Error ? cause.message : ''})`
}

/** A refusal as an OperatorError, and other errors as they are. */
export function asSentence(label: string, error: unknown): unknown {
  const refusal = refusalOf(error)
  if (refusal === undefined || error instanceof OperatorError) return error
  return new OperatorError(`${label} ${refusal}.`, { cause: error })
}

/** Nothing can be written: after a failover to a standby, or where an operator said so. It may pass. */
export function isReadOnly(error: unknown): boolean {
  return sqlState(causeOf(error)) === READ_ONLY
}

/** What the server said. */
function causeOf(error: unknown): unknown {
  const isOurs = error instanceof AppError || error instanceof OperatorError
  return isOurs ? causeOf(error.cause) : error
}

/** The SQLSTATE of an error of the server, undefined for one of the connection. */
function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
