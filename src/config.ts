// The only reader of the environment. Every variable stands in SETTINGS.
import { existsSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { contradictions, type Given as Environment } from './contradictions.ts'
import { OperatorError } from './errors.ts'
import { unreadLines } from './lib/env-lines.ts'
import { readSecretFile } from './lib/secret-file.ts'
import { meantBy } from './lib/typo.ts'
import { postgresUrl, type PostgresConnection } from './postgres-url.ts'
import { isPair, type Broker } from './setting-rules.ts'
import { fileNameOf, SETTINGS, type Setting } from './settings.ts'

const HOUR_MS = 3_600_000

type Values = { readonly [N in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[N]['parse']> }

/** How to get at the brokers. */
interface KafkaConnection {
  readonly brokers: readonly Broker[]
  /** The texts of PEM files. Undefined: without TLS. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined
  readonly sasl:
    | {
        readonly mechanism: NonNullable<Values['KAFKA_SASL_MECHANISM']>
        readonly username: string
        readonly password: string
      }
    | undefined
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
  readonly clickLog:
    | { readonly kind: 'direct' }
    | {
        readonly kind: 'kafka'
        readonly connection: KafkaConnection
        readonly topic: string
        /** Of a topic that is made. */
        readonly partitions: number
        readonly replication: number
        readonly role: Values['ROLE']
        /** The aggregator counts at once if it is undefined. */
        readonly tickerMinutes: number | undefined
        /** Names brokers and topic, and no secret. */
        readonly label: string
      }
  readonly bannersFile: string | undefined
  /** The database of the original service. */
  readonly original: PostgresConnection | undefined
  readonly tokens: { readonly read: string | undefined; readonly admin: string | undefined }
  readonly ackTimeoutMs: number
  readonly waitingMax: number
  readonly liveMax: number
  readonly keyRetentionMs: number
  /** Undefined: minutes are kept for ever. */
  readonly minuteRetentionMs: number | undefined
  readonly shutdownTimeoutMs: number
  readonly log: { readonly level: Values['LOG_LEVEL']; readonly format: Values['LOG_FORMAT'] }
  /** The file that values were taken from beside the environment, if one was. */
  readonly envFile: string | undefined
  /** Sentences about what is probably a mistake, but keeps nothing from working. */
  readonly warnings: readonly string[]
}

interface EnvFile {
  readonly path: string
  readonly values: Environment
  /** Sentences about lines that do not say what they seem to. */
  readonly unread?: readonly string[]
}

/** Every name that is read, in the order of SETTINGS. */
const NAMES: readonly string[] = Object.entries<Setting<unknown>>(SETTINGS).flatMap(
  ([name, { isSecret }]) => (isSecret ? [name, fileNameOf(name)] : [name]),
)

/** The driver of Postgres would take from them what no setting says, down to the user. */
export function forgetDriverVariables(): void {
  for (const name of Object.keys(process.env)) {
    if (/^PG[A-Z]/.test(name)) delete process.env[name]
  }
}

/** The environment, and below it the values of `.env` in the working directory. */
export function readConfig(): Config {
  const path = resolve('.env')
  if (!existsSync(path)) return parseConfig(process.env)
  return parseConfig(process.env, readEnvFile(path))
}

function readEnvFile(path: string): EnvFile {
  try {
    const text = textOf(readFileSync(path))
    const unread = unreadLines(text).map((problem) => `${path}: ${problem}`)
    return { path, values: parseEnv(text), unread }
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

/** A Postgres that no setting names, by the rules of those that do; `name` is what messages call it. */
export function storeAt(
  name: string,
  place: { readonly url: string } | { readonly file: string },
): Config['store'] {
  try {
    return postgresAt(postgresUrl('url' in place ? place.url : readSecretFile(place.file)))
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new OperatorError(`${name} ${cause.message}.`, { exitCode: 2, cause })
  }
}

/** Throws one OperatorError that names every wrong value. An empty variable is an unset one. */
export function parseConfig(environment: Environment, envFile?: EnvFile): Config {
  const given = { ...valuesIn(envFile?.values ?? {}), ...valuesIn(environment) }
  const problems = contradictions(given, NAMES)
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
  // Every name of SETTINGS was parsed by its own function above, or what is wrong is a problem.
  const values = parsed as Partial<Values>
  problems.push(...mismatches(values))
  const warnings = [
    ...(envFile?.unread ?? []),
    ...typos(environment, envFile?.values ?? {}),
    ...risks(values),
  ]
  if (problems.length > 0) {
    // A name that was misspelt is often why another one is missing.
    const list = [...problems, ...warnings].map((problem) => `\n  - ${problem}`).join('')
    throw new OperatorError(`The configuration is wrong:${list}`, { exitCode: 2 })
  }
  const isFileUsed = NAMES.some((name) => given[name] !== undefined && !environment[name])
  return {
    ...configOf(parsed as Values),
    envFile: isFileUsed ? envFile?.path : undefined,
    warnings,
  }
}

function valuesIn(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
}

function configOf(values: Values): Omit<Config, 'envFile' | 'warnings'> {
  return {
    http: { host: values.HOST, port: values.PORT, connectionsMax: values.CONNECTIONS_MAX },
    store: storeOf(values),
    clickLog: clickLogOf(values),
    bannersFile: values.BANNERS_FILE,
    original: values.ORIGINAL_DATABASE_URL,
    tokens: { read: values.READ_TOKEN, admin: values.ADMIN_TOKEN },
    ackTimeoutMs: values.ACK_TIMEOUT_MS,
    waitingMax: values.WAITING_MAX,
    liveMax: values.LIVE_MAX,
    keyRetentionMs: values.KEY_RETENTION_HOURS * HOUR_MS,
    minuteRetentionMs:
      values.RETENTION_MINUTES_DAYS && values.RETENTION_MINUTES_DAYS * 24 * HOUR_MS,
    shutdownTimeoutMs: values.SHUTDOWN_TIMEOUT_MS,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
  }
}

function storeOf(values: Values): Config['store'] {
  const connection = values.DATABASE_URL ?? connectionOf(values)
  return connection === undefined
    ? { kind: 'sqlite', folder: values.DATA_DIR }
    : postgresAt(connection)
}

function postgresAt(connection: PostgresConnection): Config['store'] {
  const { host, port, database } = connection
  return { kind: 'postgres', connection, label: `Postgres at ${placeOf(host, port)}/${database}` }
}

function connectionOf(values: Values): PostgresConnection | undefined {
  if (values.POSTGRES_HOST === undefined) return undefined
  return {
    host: values.POSTGRES_HOST,
    port: values.POSTGRES_PORT,
    user: values.POSTGRES_USER,
    password: values.POSTGRES_PASSWORD,
    database: values.POSTGRES_DB,
    ssl: false,
  }
}

function placeOf(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

function clickLogOf(values: Values): Config['clickLog'] {
  const brokers = values.KAFKA_BROKERS ?? values.KAFKA_BROKER
  if (brokers === undefined) return { kind: 'direct' }
  const places = brokers.map(({ host, port }) => placeOf(host, port))
  return {
    kind: 'kafka',
    connection: { brokers, tls: tlsOf(values), sasl: saslOf(values) },
    topic: values.KAFKA_TOPIC,
    partitions: values.KAFKA_PARTITIONS,
    replication: values.KAFKA_REPLICATION,
    role: values.ROLE,
    tickerMinutes: values.MINUTES_TICKER,
    label: `Kafka at ${places.join(',')}, topic ${values.KAFKA_TOPIC}`,
  }
}

function tlsOf(values: Partial<Values>): KafkaConnection['tls'] {
  const { KAFKA_TLS: tls, KAFKA_TLS_CA: ca, KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = values
  // A file says that it is wanted; off with a file is a contradiction.
  if (tls !== 'on' && ca === undefined && cert === undefined) return undefined
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

function saslOf(values: Values): KafkaConnection['sasl'] {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_USERNAME: username } = values
  const { KAFKA_PASSWORD: password } = values
  // All three are there, or none.
  if (mechanism === undefined || username === undefined || password === undefined) return undefined
  return { mechanism, username, password }
}

/** Values that contradict each other; which of them are right was said before. */
function mismatches(values: Partial<Values>): string[] {
  const problems: string[] = []
  if (values.READ_TOKEN !== undefined && values.READ_TOKEN === values.ADMIN_TOKEN) {
    problems.push('READ_TOKEN is the ADMIN_TOKEN, too, so whoever reads could change; set another')
  }
  const { KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key } = values
  if (cert !== undefined && key !== undefined && !isPair(cert, key)) {
    problems.push('KAFKA_TLS_KEY is not the private key of KAFKA_TLS_CERT')
  }
  return problems
}

/** What works, and should not be left like that. */
function risks(values: Partial<Values>): string[] {
  return values.KAFKA_SASL_MECHANISM === 'PLAIN' && tlsOf(values) === undefined
    ? ['KAFKA_SASL_MECHANISM=PLAIN without TLS shows the password to the network; set KAFKA_TLS=on']
    : []
}

/**
 * Names that look like ours. An environment is full of others, so a short one (HOSTS, PORTS) must be
 * ours but for capitals; `.env` is written for this service, so there it may differ by a character.
 */
function typos(environment: Environment, file: Environment): string[] {
  const names = Object.keys({ ...valuesIn(file), ...valuesIn(environment) })
  return names.flatMap((name) => {
    if (NAMES.includes(name)) return []
    const ours = Object.keys(SETTINGS).find((each) => fileNameOf(each) === name)
    if (ours !== undefined) return [`${name} is no setting: only secrets have a file; set ${ours}`]
    const meant = meantBy(name, NAMES, name in file ? 1 : 0)
    return meant === undefined ? [] : [`${name} is no setting; did you mean ${meant}?`]
  })
}
