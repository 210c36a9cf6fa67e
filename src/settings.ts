// Every setting: its name, its default, what it is for, and its rule. docs/configuration.md and
// .example.env are made from this table, config.ts reads its values.
import { postgresUrl } from './postgres-url.ts'
import {
  address,
  bannersFile,
  brokers,
  certificates,
  hostOrFolder,
  integer,
  oneOf,
  POSTGRES_PORT,
  POSTGRES_USER,
  privateKey,
  text,
  token,
  topic,
} from './setting-rules.ts'

export interface Setting<T> {
  /** Undefined: without the variable the setting is undefined too. */
  readonly fallback: string | undefined
  readonly about: string
  /** A secret's value is never shown; it may also stand in a file, which NAME_FILE names. */
  readonly isSecret?: boolean
  /** Throws a RangeError whose message is the rule that the value breaks. */
  readonly parse: (value: string) => T
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const SETTINGS = {
  HOST: setting('127.0.0.1', 'The address to listen on.', address),
  PORT: setting('8080', 'The port to listen on; 0 lets the system choose.', integer(0, 65_535)),
  DATA_DIR: setting('./data', 'The folder of the embedded database.', text),
  DATABASE_URL: optional(
    'If set, Postgres is the store: `postgresql://user:password@host:port/database`, with parameters for TLS if need be.',
    postgresUrl,
    { isSecret: true },
  ),
  POSTGRES_HOST: optional(
    'If set, Postgres is the store: its host, or the folder of its socket. Instead of `DATABASE_URL`.',
    hostOrFolder,
  ),
  POSTGRES_PORT: setting(POSTGRES_PORT, 'The port of `POSTGRES_HOST`.', integer(1, 65_535)),
  POSTGRES_USER: setting(POSTGRES_USER, 'The user at `POSTGRES_HOST`.', text),
  POSTGRES_PASSWORD: optional('The password at `POSTGRES_HOST`.', text, { isSecret: true }),
  POSTGRES_DB: setting('postgres', 'The database at `POSTGRES_HOST`.', text),
  ORIGINAL_DATABASE_URL: optional(
    'For `tallymark import --original`: the Postgres of the original service, if it is not the store.',
    postgresUrl,
    { isSecret: true },
  ),
  BANNERS_FILE: optional(
    'Banners to begin with, loaded on the first start only; the file is checked on each. Unset: `./banners.json`, else the demo banners 1 to 100.',
    bannersFile,
  ),
  KAFKA_BROKERS: optional(
    'If set, Kafka is the click log: its brokers, `host:port`, separated by commas; without a port it is 9092. Needs Postgres as the store.',
    brokers,
  ),
  KAFKA_BROKER: optional('The name that the original service has for `KAFKA_BROKERS`.', brokers),
  KAFKA_TOPIC: setting('clicks', 'The topic of the clicks. It is made if there is none.', topic),
  KAFKA_PARTITIONS: setting(
    '6',
    'How many partitions the topic gets when it is made: as many processes can count at once.',
    integer(1, 1_000),
  ),
  KAFKA_REPLICATION: setting(
    '1',
    'On how many brokers each record is kept when the topic is made. With several brokers: 3.',
    integer(1, 10),
  ),
  KAFKA_TLS: optional(
    '`on`: connect to the brokers by TLS. Unset: `on` if one of the three files below is.',
    oneOf(['on', 'off']),
  ),
  KAFKA_TLS_CA: optional(
    'The path of a PEM file with the certificates of those who sign those of the brokers. Unset: those that Node.js knows.',
    certificates,
  ),
  KAFKA_TLS_CERT: optional(
    'The path of a PEM file with the certificate by which the brokers know this service.',
    certificates,
  ),
  KAFKA_TLS_KEY: optional(
    'The path of the private key of `KAFKA_TLS_CERT`, in PEM and without a passphrase.',
    privateKey,
  ),
  KAFKA_SASL_MECHANISM: optional(
    'If set, user and password are given to the brokers: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.',
    oneOf(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
  ),
  KAFKA_USERNAME: optional('The user of `KAFKA_SASL_MECHANISM`.', text),
  KAFKA_PASSWORD: optional('The password of `KAFKA_USERNAME`.', text, { isSecret: true }),
  ROLE: setting(
    'all',
    'What this process does. With Kafka it may be `api` (takes clicks in and answers questions) or `aggregator` (counts what the click log holds) alone.',
    oneOf(['all', 'api', 'aggregator']),
  ),
  MINUTES_TICKER: optional(
    "The original's setting, with Kafka: the aggregator counts every N minutes what the click log holds. Unset: at once.",
    integer(1, 1_440),
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
  RETENTION_MINUTES_DAYS: optional(
    'For how many days counts are kept by the minute, after which quarters of an hour and days are left; yesterday is always kept whole. Unset: for ever, and what was given up does not come back.',
    integer(1, 36_500),
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

/** The variable that names the file of a secret. */
export function fileNameOf(secret: string): string {
  return `${secret}_FILE`
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
