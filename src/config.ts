// The only reader of the environment. Every variable stands in SETTINGS; docs/configuration.md and
// .example.env are made from it. What is a secret there may also stand in a file, which NAME_FILE names.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { OperatorError } from './errors.ts'
import { readSecretFile } from './lib/secret-file.ts'
import { meantBy } from './lib/typo.ts'

export interface Setting<T> {
  /** Undefined: without the variable the setting is undefined too. */
  readonly fallback: string | undefined
  readonly about: string
  /** A secret's value is never shown. */
  readonly isSecret?: boolean
  /** A part that does not exist yet: another value than the default is refused. */
  readonly needs?: 'the Kafka log'
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
    hostOrFolder,
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
  KAFKA_BROKERS: planned(
    undefined,
    'If set, Kafka is the click log: its brokers, `host:port`, separated by commas. Needs Postgres.',
  ),
  KAFKA_BROKER: planned(undefined, 'The name that the original service has for `KAFKA_BROKERS`.'),
  KAFKA_TOPIC: planned('clicks', 'The topic of the clicks.'),
  ROLE: planned(
    'all',
    'What this process does: `all`, `api` (takes clicks in and answers questions) or `aggregator` (counts what the click log holds).',
  ),
  MINUTES_TICKER: planned(
    undefined,
    "The original's setting: the aggregator writes every N minutes. Unset: at once.",
  ),
  READ_TOKEN: optional(
    'If set, statistics, banners and metrics need `Authorization: Bearer` with this token or the admin token. At least 16 characters.',
    token,
    { isSecret: true },
  ),
  ADMIN_TOKEN: optional(
    'If set, changing banners needs `Authorization: Bearer` with this token; without it, banners can be changed from this machine only. It reads everything, too. At least 16 characters.',
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

/** Sections of the documentation, each by the setting that it begins with. */
export const SECTIONS: { readonly [N in keyof typeof SETTINGS]?: string } = {
  HOST: 'Listening',
  DATA_DIR: 'Store',
  ORIGINAL_DATABASE_URL: 'Import and first start',
  KAFKA_BROKERS: 'Click log',
  READ_TOKEN: 'Access',
  ACK_TIMEOUT_MS: 'Limits',
  LOG_LEVEL: 'Logging',
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
  /** The file that values were taken from beside the environment, if one was. */
  readonly envFile: string | undefined
  /** Sentences about what is probably a mistake, but keeps nothing from working. */
  readonly warnings: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

interface EnvFile {
  readonly path: string
  readonly values: Environment
}

/** Every name that is read, in the order of SETTINGS. */
const NAMES: readonly string[] = Object.entries<Setting<unknown>>(SETTINGS).flatMap(
  ([name, { isSecret }]) => (isSecret ? [name, fileNameOf(name)] : [name]),
)

/** The environment, and below it the values of `.env` in the working directory. */
export function readConfig(): Config {
  const path = resolve('.env')
  if (!existsSync(path)) return parseConfig(process.env)
  return parseConfig(process.env, { path, values: readEnvFile(path) })
}

function readEnvFile(path: string): Environment {
  try {
    return parseEnv(textOf(readFileSync(path)))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new OperatorError(`${path} cannot be read: ${reason}`, { exitCode: 2, cause })
  }
}

/** Without a byte order mark. Throws what an editor of another encoding has written. */
function textOf(bytes: Buffer): string {
  if (bytes.includes(0)) throw new Error('it is not UTF-8; save it as that')
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

/** Throws one OperatorError that names every wrong value. An empty variable is an unset one. */
export function parseConfig(environment: Environment, envFile?: EnvFile): Config {
  const given = { ...valuesIn(envFile?.values ?? {}), ...valuesIn(environment) }
  const problems = [...notBuilt(given), ...contradictions(given)]
  const parsed: Record<string, unknown> = {}
  for (const [name, { fallback, isSecret, parse }] of Object.entries<Setting<unknown>>(SETTINGS)) {
    const path = isSecret && given[name] === undefined ? given[fileNameOf(name)] : undefined
    try {
      const value = path === undefined ? (given[name] ?? fallback) : readSecretFile(path)
      if (value !== undefined) parsed[name] = parse(value)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      const file = `; ${fileNameOf(name)} names ${JSON.stringify(path)}`
      // What has an @ may be a URL with a password that was put in the wrong place.
      const value =
        isSecret || /@/.test(given[name] ?? '') ? '' : `; it is ${JSON.stringify(given[name])}`
      problems.push(`${name} ${error.message}${path === undefined ? value : file}`)
    }
  }
  if (parsed['READ_TOKEN'] !== undefined && parsed['READ_TOKEN'] === parsed['ADMIN_TOKEN']) {
    problems.push('READ_TOKEN is the ADMIN_TOKEN, too, so whoever reads could change; set another')
  }
  const warnings = typos(environment, envFile?.values ?? {})
  if (problems.length > 0) {
    // A name that was misspelt is often why another one is missing.
    const list = [...problems, ...warnings].map((problem) => `\n  - ${problem}`).join('')
    throw new OperatorError(`The configuration is wrong:${list}`, { exitCode: 2 })
  }
  const isFileUsed = NAMES.some((name) => given[name] !== undefined && !environment[name])
  // Every name of SETTINGS was parsed by its own function above.
  const values = parsed as Values
  return { ...configOf(values), envFile: isFileUsed ? envFile?.path : undefined, warnings }
}

function valuesIn(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}

/** The variable that names the file of a secret. */
export function fileNameOf(secret: string): string {
  return `${secret}_FILE`
}

function configOf(values: Values): Omit<Config, 'envFile' | 'warnings'> {
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
function contradictions(given: Environment): string[] {
  const names = NAMES.filter((name) => given[name] !== undefined)
  const problems = names
    .filter((name) => names.includes(fileNameOf(name)))
    .map((name) => `${name} and ${fileNameOf(name)} are both set; unset one of them`)
  const url = names.find((name) => name === 'DATABASE_URL' || name === 'DATABASE_URL_FILE')
  const parts = names.filter((name) => name.startsWith('POSTGRES_'))
  if (url !== undefined && parts.length > 0) {
    problems.push(`${url} and ${parts.join(', ')} both say where Postgres is; unset one of them`)
  }
  if (url === undefined && parts.length > 0 && !parts.includes('POSTGRES_HOST')) {
    problems.push(`${parts.join(', ')} without POSTGRES_HOST; set it too, or unset the others`)
  }
  return problems
}

/** Another store or log than the one asked for would be a lie. */
function notBuilt(given: Environment): string[] {
  return Object.entries<Setting<unknown>>(SETTINGS)
    .filter(([name, { needs, fallback }]) => needs && (given[name] ?? fallback) !== fallback)
    .map(
      ([name, { needs }]) =>
        `${name} asks for ${needs}, which this version does not have; unset it`,
    )
}

/**
 * Names that look like ours. An environment is full of others, so a short one (HOSTS, PORTS) must be
 * ours but for capitals; `.env` is written for this service, so there it may differ by a character.
 */
function typos(environment: Environment, file: Environment): string[] {
  const names = Object.keys({ ...valuesIn(file), ...valuesIn(environment) })
  return names.flatMap((name) => {
    if (NAMES.includes(name)) return []
    const meant = meantBy(name, NAMES, name in file ? 1 : 0)
    return meant === undefined ? [] : [`${name} is no setting; did you mean ${meant}?`]
  })
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

/** Its value is not looked at before the part that needs it exists. */
function planned(fallback: string | undefined, about: string): Setting<string | undefined> {
  return { fallback, about, parse: text, needs: 'the Kafka log' }
}

function hostOrFolder(value: string): string {
  if (/^(?:\/.*|[^\s/@?#]+)$/.test(value)) return value
  throw new RangeError('must be a host, or the folder of a socket, from the root; not a URL')
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
