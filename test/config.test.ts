import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig, SETTINGS } from '../src/config.ts'
import { OperatorError } from '../src/errors.ts'

function refusalOf(environment: Record<string, string>): OperatorError {
  try {
    parseConfig(environment)
  } catch (error) {
    assert.ok(error instanceof OperatorError)
    return error
  }
  return assert.fail('it was accepted')
}

test('without a variable every setting has its default', () => {
  const config = parseConfig({})
  assert.deepEqual(config.http, { host: '127.0.0.1', port: 8080, connectionsMax: 20_000 })
  assert.deepEqual(config.store, { kind: 'sqlite', folder: './data' })
  assert.deepEqual(config.tokens, { read: undefined, admin: undefined })
  assert.equal(config.ackTimeoutMs, 5_000)
  assert.equal(config.keyRetentionMs, 48 * 3_600_000)
  assert.equal(config.shutdownTimeoutMs, 10_000)
})

test('an empty variable is an unset one', () => {
  const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']))
  assert.deepEqual(parseConfig({ ...empty, DATABASE_URL: '', ROLE: '' }), parseConfig({}))
})

test('all wrong values are named at once, with rule and value, except for secrets', () => {
  const { message, exitCode } = refusalOf({
    PORT: '80800',
    ACK_TIMEOUT_MS: '1e3',
    WAITING_MAX: '-1',
    LOG_LEVEL: 'loud',
    READ_TOKEN: 'too short',
    KEY_RETENTION_HOURS: '48',
  })
  assert.equal(exitCode, 2)
  assert.equal(
    message,
    `The configuration is wrong:
  - PORT must be an integer from 0 to 65535; it is "80800"
  - READ_TOKEN must have at least 16 visible ASCII characters
  - ACK_TIMEOUT_MS must be an integer from 100 to 60000; it is "1e3"
  - WAITING_MAX must be an integer from 1 to 1000000; it is "-1"
  - LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent; it is "loud"`,
  )
})

test('DATABASE_URL or POSTGRES_HOST make Postgres the store, and its label shows no secret', () => {
  const connectionString = 'postgres://user:secret@db:6432/clicks?sslmode=require'
  assert.deepEqual(parseConfig({ DATABASE_URL: connectionString }).store, {
    kind: 'postgres',
    connection: { connectionString },
    label: 'Postgres at db:6432/clicks',
  })
  const connection = { host: 'db', port: 5432, user: 'postgres', database: 'postgres' }
  assert.deepEqual(parseConfig({ POSTGRES_HOST: 'db' }).store, {
    kind: 'postgres',
    connection: { ...connection, password: undefined },
    label: 'Postgres at db:5432/postgres',
  })
  const parts = {
    POSTGRES_HOST: '::1',
    POSTGRES_PORT: '6432',
    POSTGRES_USER: 'me',
    POSTGRES_PASSWORD: 'p@ss/w%rd?#',
    POSTGRES_DB: 'clicks',
  }
  assert.deepEqual(parseConfig(parts).store, {
    kind: 'postgres',
    connection: {
      host: '::1',
      port: 6432,
      user: 'me',
      password: 'p@ss/w%rd?#',
      database: 'clicks',
    },
    label: 'Postgres at ::1:6432/clicks',
  })
})

test('half an answer or two answers to where Postgres is are refused', () => {
  assert.match(
    refusalOf({ POSTGRES_USER: 'me', POSTGRES_DB: 'mine' }).message,
    /- POSTGRES_USER, POSTGRES_DB without POSTGRES_HOST; set it too, or unset the others/,
  )
  assert.match(
    refusalOf({ DATABASE_URL: 'postgresql://db/clicks', POSTGRES_HOST: 'db' }).message,
    /- DATABASE_URL and POSTGRES_HOST both say where Postgres is; unset one of them/,
  )
  for (const url of [
    'mysql://user:secret@db/clicks',
    'postgresql://user:/secret@db/clicks',
    'postgresql://user:1#secret@db/clicks',
    'postgresql://user:1?secret@db/clicks',
  ]) {
    const { message } = refusalOf({ DATABASE_URL: url })
    assert.match(message, /- DATABASE_URL must be postgresql:\/\/user:password@host:port\/database/)
    assert.doesNotMatch(message, /secret/)
  }
})

test('a shape that is not built is refused, never silently another one', () => {
  for (const [name, value] of [
    ['KAFKA_BROKERS', 'kafka:9092'],
    ['KAFKA_BROKER', 'kafka:9092'],
    ['ROLE', 'api'],
    ['ROLE', 'nobody'],
  ] as const) {
    const { message, exitCode } = refusalOf({ [name]: value })
    assert.equal(exitCode, 2)
    assert.match(message, new RegExp(`- ${name} asks for the .*unset it`))
  }
  assert.ok(parseConfig({ ROLE: 'all' }))
})
