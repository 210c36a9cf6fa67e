import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../src/config.ts'
import { OperatorError } from '../src/errors.ts'
import { temporaryFolder } from './support/service.ts'

function refusalOf(environment: Record<string, string>): OperatorError {
  try {
    parseConfig(environment)
  } catch (error) {
    assert.ok(error instanceof OperatorError)
    return error
  }
  return assert.fail('it was accepted')
}

const POSTGRES = { POSTGRES_HOST: 'db' }

function kafkaOf(environment: Record<string, string>) {
  const { clickLog } = parseConfig({ ...POSTGRES, ...environment })
  assert.ok(clickLog.kind === 'kafka')
  return clickLog
}

test('KAFKA_BROKERS makes Kafka the click log, and its label shows no secret', () => {
  assert.deepEqual(parseConfig({}).clickLog, { kind: 'direct' })
  assert.deepEqual(kafkaOf({ KAFKA_BROKERS: 'kafka' }), {
    kind: 'kafka',
    connection: { brokers: [{ host: 'kafka', port: 9_092 }], tls: undefined, sasl: undefined },
    topic: 'clicks',
    partitions: 6,
    replication: 1,
    role: 'all',
    tickerMinutes: undefined,
    label: 'Kafka at kafka:9092, topic clicks',
  })
  assert.deepEqual(kafkaOf({ KAFKA_BROKER: 'kafka' }), kafkaOf({ KAFKA_BROKERS: 'kafka' }))
  const clickLog = kafkaOf({
    KAFKA_BROKERS: 'kafka-1.example:9093, 10.0.0.2,[::1]:9094,[fe80::2]',
    KAFKA_TOPIC: 'banner.clicks_2-a',
    KAFKA_PARTITIONS: '12',
    KAFKA_REPLICATION: '3',
    KAFKA_TLS: 'on',
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_USERNAME: 'me',
    KAFKA_PASSWORD: 'sesame, open',
    ROLE: 'aggregator',
    MINUTES_TICKER: '5',
  })
  assert.deepEqual(clickLog, {
    kind: 'kafka',
    connection: {
      brokers: [
        { host: 'kafka-1.example', port: 9_093 },
        { host: '10.0.0.2', port: 9_092 },
        { host: '::1', port: 9_094 },
        { host: 'fe80::2', port: 9_092 },
      ],
      tls: {},
      sasl: { mechanism: 'SCRAM-SHA-512', username: 'me', password: 'sesame, open' },
    },
    topic: 'banner.clicks_2-a',
    partitions: 12,
    replication: 3,
    role: 'aggregator',
    tickerMinutes: 5,
    label:
      'Kafka at kafka-1.example:9093,10.0.0.2:9092,[::1]:9094,[fe80::2]:9092, topic banner.clicks_2-a',
  })
})

test('what are no brokers, or no topic, is refused', () => {
  for (const value of [
    'kafka:0',
    'kafka:65536',
    'kafka:http',
    'a,,b',
    'a,',
    'a b',
    '::1',
    '[kafka]:9092',
    '[::1',
    'PLAINTEXT://kafka:9092',
    '-kafka',
    'kafka/clicks',
  ]) {
    const { message } = refusalOf({ ...POSTGRES, KAFKA_BROKERS: value })
    assert.match(message, /- KAFKA_BROKERS must be host:port, several separated by commas, /)
    assert.ok(message.endsWith(`; it is ${JSON.stringify(value)}`), message)
  }
  assert.doesNotMatch(refusalOf({ KAFKA_BROKERS: 'me:secret@kafka:9092' }).message, /secret/)
  for (const value of ['.', '..', 'a b', 'a/b', 'klicks\u00e4', 'x'.repeat(250)]) {
    assert.match(
      refusalOf({ ...POSTGRES, KAFKA_BROKERS: 'kafka', KAFKA_TOPIC: value }).message,
      /- KAFKA_TOPIC must be 1 to 249 of letters, digits, "\.", "_" and "-"/,
    )
  }
})

test('settings of Kafka that contradict each other are refused, all at once and by their names', () => {
  assert.equal(
    refusalOf({
      KAFKA_BROKERS: 'kafka',
      KAFKA_BROKER: 'kafka',
      KAFKA_TLS: 'off',
      KAFKA_TLS_KEY: import.meta.filename,
      KAFKA_PASSWORD_FILE: import.meta.filename,
      ROLE: 'api',
      MINUTES_TICKER: '0',
    }).message,
    `The configuration is wrong:
  - KAFKA_BROKERS and KAFKA_BROKER both name the brokers; unset one of them
  - KAFKA_BROKERS needs Postgres: set DATABASE_URL or POSTGRES_HOST
  - MINUTES_TICKER says when to count, and ROLE=api does not; unset one of them
  - KAFKA_TLS_KEY without KAFKA_TLS_CERT; set both or none
  - KAFKA_TLS=off and KAFKA_TLS_KEY contradict each other; unset one or the other
  - KAFKA_PASSWORD without KAFKA_SASL_MECHANISM and KAFKA_USERNAME; set all three or none
  - KAFKA_TLS_KEY names a file that is no private key in PEM without a passphrase; it is ${JSON.stringify(import.meta.filename)}
  - MINUTES_TICKER must be an integer from 1 to 1440; it is "0"`,
  )
  assert.equal(
    refusalOf({ KAFKA_TOPIC: 'clicks', KAFKA_TLS: 'on', ROLE: 'api', MINUTES_TICKER: '1' }).message,
    `The configuration is wrong:
  - KAFKA_TOPIC, KAFKA_TLS without KAFKA_BROKERS; set it too, or unset the others
  - ROLE=api needs Kafka: set KAFKA_BROKERS, or unset ROLE
  - MINUTES_TICKER needs Kafka: set KAFKA_BROKERS, or unset it`,
  )
  assert.match(
    refusalOf({ ...POSTGRES, KAFKA_BROKER: 'kafka', ROLE: 'nobody' }).message,
    /wrong:\n {2}- ROLE must be one of all, api, aggregator; it is "nobody"$/,
  )
  assert.deepEqual(parseConfig({ ROLE: 'all' }), parseConfig({}))
  assert.ok(kafkaOf({ KAFKA_BROKERS: 'kafka', POSTGRES_HOST: '', DATABASE_URL: 'postgres://db/a' }))
})

test('the files of KAFKA_TLS are read, imply TLS, and are refused with path and reason', () => {
  using folder = temporaryFolder()
  const path = (name: string) => join(folder.path, name)
  const make = (name: string) =>
    execFileSync(
      'openssl',
      // prettier-ignore
      [
        'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
        '-subj', `/CN=${name}`, '-keyout', path(`${name}.key`), '-out', path(`${name}.pem`),
      ],
      { stdio: 'ignore' },
    )
  make('one')
  make('other')
  const contents = (name: string) => readFileSync(path(name), 'utf8').replace(/\n$/, '')
  const kafka = { ...POSTGRES, KAFKA_BROKERS: 'kafka' }
  assert.deepEqual(kafkaOf({ ...kafka, KAFKA_TLS_CA: path('one.pem') }).connection.tls, {
    ca: contents('one.pem'),
  })
  const pair = { KAFKA_TLS_CERT: path('one.pem'), KAFKA_TLS_KEY: path('one.key') }
  assert.deepEqual(kafkaOf({ ...kafka, ...pair }).connection.tls, {
    cert: contents('one.pem'),
    key: contents('one.key'),
  })
  assert.match(
    refusalOf({ ...kafka, ...pair, KAFKA_TLS_KEY: path('other.key') }).message,
    /wrong:\n {2}- KAFKA_TLS_KEY is not the private key of KAFKA_TLS_CERT$/,
  )
  for (const [name, rule] of [
    ['missing', 'cannot be read: no such file or directory'],
    ['', 'is no regular file'],
    ['one.key', 'is no certificate in PEM'],
  ] as const) {
    const { message } = refusalOf({ ...kafka, KAFKA_TLS_CA: path(name) })
    assert.equal(
      message,
      `The configuration is wrong:
  - KAFKA_TLS_CA names a file that ${rule}; it is ${JSON.stringify(path(name))}`,
    )
  }
})

test('a password that goes over the network as it is is a warning', () => {
  const sasl = { KAFKA_BROKERS: 'kafka', KAFKA_USERNAME: 'me', KAFKA_PASSWORD: 'sesame' }
  const warnings = (environment: Record<string, string>) =>
    parseConfig({ ...POSTGRES, ...sasl, ...environment }).warnings
  assert.deepEqual(warnings({ KAFKA_SASL_MECHANISM: 'PLAIN' }), [
    'KAFKA_SASL_MECHANISM=PLAIN without TLS shows the password to the network; set KAFKA_TLS=on',
  ])
  assert.deepEqual(warnings({ KAFKA_SASL_MECHANISM: 'PLAIN', KAFKA_TLS: 'on' }), [])
  assert.deepEqual(warnings({ KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256' }), [])
})
