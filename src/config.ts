// The only reader of the environment. Every variable stands in SETTINGS; docs/configuration.md is
// made from it.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { OperatorError } from './errors.ts'

interface Setting<T> {
  /** Undefined: without the variable the setting is undefined too. */
  readonly fallback: string | undefined
  readonly about: string
  /** A secret's value is never shown. */
  readonly isSecret?: boolean
  /** Throws a RangeError whose message is the rule that the value breaks. */
  readonly parse: (value: string) => T
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
const TOKEN_CHARACTERS_MIN = 16
const HOUR_MS = 3_600_000

export const SETTINGS = {
  HOST: setting('127.0.0.1', 'The address to listen on.', text),
  PORT: setting('8080', 'The port to listen on; 0 lets the system choose.', integer(0, 65_535)),
  DATA_DIR: setting('./data', 'The folder of the embedded database.', text),
  DATABASE_URL: optional(
    'If set, Postgres is the store: `postgresql://user:password@host:port/database`.',
    postgresUrl,
    { isSecret: true },
  ),
  POSTGRES_HOST: optional(
    'If set, Postgres is the store: its host, or the folder of its socket. Instead of `DATABASE_URL`.',
    text,
  ),
  POSTGRES_PORT: setting('5432', 'The port of `POSTGRES_HOST`.', integer(1, 65_535)),
  POSTGRES_USER: setting('postgres', 'The user at `POSTGRES_HOST`.', text),
  POSTGRES_PASSWORD: optional('The password at `POSTGRES_HOST`.', text, { isSecret: true }),
  POSTGRES_DB: setting('postgres', 'The database at `POSTGRES_HOST`.', text),
  ORIGINAL_DATABASE_URL: optional(
    'For `tallymark import --original`: the Postgres of the original service, if it is not the store.',
    postgresUrl,
    { isSecret: true },
  ),
  BANNERS_FILE: optional(
    'Banners to begin with, read on the first start only. Unset: `./banners.json`, else the demo banners 1 to 100.',
    text,
  ),
  READ_TOKEN: optional(
    'If set, statistics, banners and metrics need `Authorization: Bearer` with this token or the admin token. At least 16 characters.',
    token,
    { isSecret: true },
  ),
  ADMIN_TOKEN: optional(
    'Reads everything that `READ_TOKEN` protects. At least 16 characters.',
    token,
    { isSecret: true },
  ),
  ACK_TIMEOUT_MS: setting(
    '5000',
    'How long a click may wait to become durable before it is answered 503 `store_unavailable`.',
    integer(100, 60_000),
  ),
  WAITING_MAX: setting(
    '10000',
    'How many clicks may wait to become durable; the next one is answered 503 `overloaded`.',
    integer(1, 1_000_000),
  ),
  KEY_RETENTION_HOURS: setting(
    '48',
    'How long an idempotency key is remembered after it was counted.',
    integer(1, 87_600),
  ),
  CONNECTIONS_MAX: setting(
    '20000',
    'How many connections may be open; the next one takes the place of an idle or slow one, or is dropped. Where the system allows fewer open files (`ulimit -n`), 200 less than those.',
    integer(1, 1_000_000),
  ),
  LIVE_MAX: setting(
    '100',
    'How many readers may follow `/live` at once; the next one is answered 503 `too_many_streams`.',
    integer(0, 10_000),
  ),
  SHUTDOWN_TIMEOUT_MS: setting(
    '10000',
    'How long a stop may take before the process gives up with exit code 1.',
    integer(100, 600_000),
  ),
  LOG_LEVEL: setting(
    'info',
    `The least level that is logged: ${LOG_LEVELS.join(', ')}.`,
    oneOf(LOG_LEVELS),
  ),
  LOG_FORMAT: setting(
    'text',
    'Log lines for people (`text`) or machines (`json`).',
    oneOf(['text', 'json']),
  ),
} as const

/** Settings of shapes that do not exist yet. Another store than the one asked for would be a lie. */
const NOT_BUILT: Readonly<Record<string, string>> = {
  KAFKA_BROKERS: 'the Kafka log',
  KAFKA_BROKER: 'the Kafka log',
  MINUTES_TICKER: 'the Kafka log',
}

type Values = { readonly [N in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[N]['parse']> }

/** A `postgresql://` URL, or its parts. */
type PostgresConnection =
  | { readonly connectionString: string }
  | {
      readonly host: string
      readonly port: number
      readonly user: string
      readonly password: string | undefined
      readonly database: string
    }

export interface Config {
  readonly http: { readonly host: string; readonly port: number; readonly connectionsMax: number }
  readonly store:
    | { readonly kind: 'sqlite'; readonly folder: string }
    | {
        readonly kind: 'postgres'
        readonly connection: PostgresConnection
        /** Names host and database, and no secret. */
        readonly label: string
      }
  readonly bannersFile: string | undefined
  /** The URL of the database of the original service. */
  readonly original: string | undefined
  readonly tokens: { readonly read: string | undefined; readonly admin: string | undefined }
  readonly ackTimeoutMs: number
  readonly waitingMax: number
  readonly liveMax: number
  readonly keyRetentionMs: number
  readonly shutdownTimeoutMs: number
  readonly log: { readonly level: Values['LOG_LEVEL']; readonly format: Values['LOG_FORMAT'] }
  /** The file that values were taken from beside the environment, if there is one. */
  readonly envFile: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

/** The environment, and below it the values of `.env` in the working directory. */
export function readConfig(): Config {
  const path = resolve('.env')
  if (!existsSync(path)) return parseConfig(process.env)
  const file = parseEnv(readFileSync(path, 'utf8'))
  const environment = Object.entries(process.env).filter(([, value]) => value !== '')
  return parseConfig({ ...file, ...Object.fromEntries(environment) }, path)
}

/** Throws one OperatorError that names every wrong value. An empty variable is an unset one. */
export function parseConfig(environment: Environment, envFile?: string): Config {
  const problems = [...notBuilt(environment), ...contradictions(environment)]
  const parsed: Record<string, unknown> = {}
  for (const [name, { fallback, isSecret, parse }] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const value = environment[name] || fallback
    if (value === undefined) continue
    try {
      parsed[name] = parse(value)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      problems.push(`${name} ${error.message}${isSecret ? '' : `; it is ${JSON.stringify(value)}`}`)
    }
  }
  if (problems.length > 0) {
    const list = problems.map((problem) => `\n  - ${problem}`).join('')
    throw new OperatorError(`The configuration is wrong:${list}`, { exitCode: 2 })
  }
  // Every name of SETTINGS was parsed by its own function above.
  return configOf(parsed as Values, envFile)
}

function configOf(values: Values, envFile: string | undefined): Config {
  return {
    http: { host: values.HOST, port: values.PORT, connectionsMax: values.CONNECTIONS_MAX },
    store: storeOf(values),
    bannersFile: values.BANNERS_FILE,
    original: values.ORIGINAL_DATABASE_URL,
    tokens: { read: values.READ_TOKEN, admin: values.ADMIN_TOKEN },
    ackTimeoutMs: values.ACK_TIMEOUT_MS,
    waitingMax: values.WAITING_MAX,
    liveMax: values.LIVE_MAX,
    keyRetentionMs: values.KEY_RETENTION_HOURS * HOUR_MS,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_MS,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
    envFile,
  }
}

function storeOf(values: Values): Config['store'] {
  if (values.DATABASE_URL !== undefined) {
    const { hostname, port, pathname } = new URL(values.DATABASE_URL)
    return {
      kind: 'postgres',
      connection: { connectionString: values.DATABASE_URL },
      label: `Postgres at ${hostname}:${port || '5432'}${pathname}`,
    }
  }
  if (values.POSTGRES_HOST === undefined) return { kind: 'sqlite', folder: values.DATA_DIR }
  const connection = {
    host: values.POSTGRES_HOST,
    port: values.POSTGRES_PORT,
    user: values.POSTGRES_USER,
    password: values.POSTGRES_PASSWORD,
    database: values.POSTGRES_DB,
  }
  const label = `Postgres at ${connection.host}:${connection.port}/${connection.database}`
  return { kind: 'postgres', connection, label }
}

/** Two answers to one question, or half an answer. */
function contradictions(environment: Environment): string[] {
  const isUrl = Boolean(environment['DATABASE_URL'])
  const parts = Object.keys(SETTINGS).filter(
    (name) => name.startsWith('POSTGRES_') && environment[name],
  )
  if (isUrl && parts.length > 0) {
    return [`DATABASE_URL and ${parts.join(', ')} both say where Postgres is; unset one of them`]
  }
  if (!isUrl && parts.length > 0 && !environment['POSTGRES_HOST']) {
    return [`${parts.join(', ')} without POSTGRES_HOST; set it too, or unset the others`]
  }
  return []
}

function notBuilt(environment: Environment): string[] {
  const problems = Object.entries(NOT_BUILT)
    .filter(([name]) => environment[name])
    .map(([name, part]) => `${name} asks for ${part}, which this version does not have; unset it`)
  if (environment['ROLE'] && environment['ROLE'] !== 'all') {
    problems.push('ROLE asks for the Kafka log, which this version does not have; unset it')
  }
  return problems
}

function setting<T>(fallback: string, about: string, parse: (value: string) => T): Setting<T> {
  return { fallback, about, parse }
}

function optional<T>(
  about: string,
  parse: (value: string) => T,
  options: { readonly isSecret?: boolean } = {},
): Setting<T | undefined> {
  return { fallback: undefined, about, parse, ...options }
}

function text(value: string): string {
  return value
}

function postgresUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  const isPostgres = url?.protocol === 'postgresql:' || url?.protocol === 'postgres:'
  // An @ beyond the host is that of a password with a slash, which would be shown as the path.
  if (isPostgres && !/@/.test(`${url.pathname}${url.search}${url.hash}`)) return value
  throw new RangeError(
    'must be postgresql://user:password@host:port/database, with special characters percent-encoded',
  )
}

function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN
    if (number >= min && number <= max) return number
    throw new RangeError(`must be an integer from ${min} to ${max}`)
  }
}

function oneOf<const T extends string>(values: readonly T[]): (value: string) => T {
  return (value) => {
    const found = values.find((each) => each === value)
    if (found !== undefined) return found
    throw new RangeError(`must be one of ${values.join(', ')}`)
  }
}

function token(value: string): string {
  if (value.length >= TOKEN_CHARACTERS_MIN && /^[\x21-\x7e]+$/.test(value)) return value
  throw new RangeError(`must have at least ${TOKEN_CHARACTERS_MIN} visible ASCII characters`)
}
