import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from '../src/config.ts'
import { OperatorError } from '../src/errors.ts'
import { SETTINGS } from '../src/settings.ts'
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

test('O6: without a variable every setting has its default', () => {
  const config = parseConfig({})
  assert.deepEqual(config.http, { host: '127.0.0.1', port: 8080, connectionsMax: 20_000 })
  assert.deepEqual(config.store, { kind: 'sqlite', folder: './data' })
  assert.deepEqual(config.tokens, { read: undefined, admin: undefined })
  assert.equal(config.ackTimeoutMs, 5_000)
  assert.equal(config.keyRetentionMs, 48 * 3_600_000)
  assert.equal(config.shutdownTimeoutMs, 10_000)
})

test('minutes are kept for ever unless a number of days is set', () => {
  assert.equal(parseConfig({}).minuteRetentionMs, undefined)
  assert.equal(parseConfig({ RETENTION_MINUTES_DAYS: '30' }).minuteRetentionMs, 30 * 86_400_000)
  for (const days of ['0', '1.5', '36501', 'off']) {
    const { message } = refusalOf({ RETENTION_MINUTES_DAYS: days })
    assert.match(message, /RETENTION_MINUTES_DAYS must be an integer from 1 to 36500; it is "/)
  }
})

test('A4: it listens on this machine alone unless HOST says otherwise', () => {
  assert.equal(parseConfig({}).http.host, '127.0.0.1')
  assert.equal(parseConfig({ HOST: '0.0.0.0' }).http.host, '0.0.0.0')
})

test('O8: HOST is the name or the address of a host', () => {
  for (const host of ['::', '::1', 'localhost', 'my-host.example', 'fe80::1%eth0']) {
    assert.equal(parseConfig({ HOST: host }).http.host, host)
  }
  for (const host of ['localhost:8080', '[::1]', '*', 'http://localhost', 'a b', '127.0.0.1 ']) {
    assert.equal(
      refusalOf({ HOST: host }).message,
      `The configuration is wrong:
  - HOST must be the name or the address of a host, without a port; it is ${JSON.stringify(host)}`,
    )
  }
})

test('O8: BANNERS_FILE names a file of banners, whether this is the first start or not', () => {
  using folder = temporaryFolder()
  const path = (name: string) => join(folder.path, name)
  mkdirSync(path('folder'))
  writeFileSync(path('right.json'), '[{"id": 1, "name": "One"}]')
  writeFileSync(path('wrong.json'), '[{"id": 0, "name": "None"}]')
  writeFileSync(path('text.json'), '[{"id": 1,')
  assert.equal(parseConfig({ BANNERS_FILE: path('right.json') }).bannersFile, path('right.json'))
  for (const [name, rule] of Object.entries({
    'missing.json': /names a file that cannot be read: no such file or directory/,
    folder: /names a file that is no regular file/,
    'text.json': /names a file that cannot be read: .*JSON.*/,
    'wrong.json': /names a file that is wrong: banner 1: id must be an integer from 1 to \d+/,
  })) {
    const { message } = refusalOf({ PORT: 'http', BANNERS_FILE: path(name) })
    const value = JSON.stringify(path(name))
    const expected = new RegExp(`\n  - BANNERS_FILE ${rule.source}; it is ${value}$`)
    assert.match(message, expected)
    assert.match(message, /- PORT must be/)
  }
})

test('A6: an empty variable is an unset one', () => {
  const empty = Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, '']))
  assert.deepEqual(parseConfig({ ...empty, DATABASE_URL: '', ROLE: '' }), parseConfig({}))
})

test('O8: all wrong values are named at once, with rule and value, except for secrets', () => {
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
  assert.deepEqual(
    parseConfig({ DATABASE_URL: 'postgres://user:secret@db:6432/clicks?sslmode=require' }).store,
    {
      kind: 'postgres',
      connection: {
        host: 'db',
        port: 6_432,
        user: 'user',
        password: 'secret',
        database: 'clicks',
        ssl: {},
      },
      label: 'Postgres at db:6432/clicks',
    },
  )
  const connection = { host: 'db', port: 5432, user: 'postgres', database: 'postgres', ssl: false }
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
      ssl: false,
    },
    label: 'Postgres at [::1]:6432/clicks',
  })
})

test('one token for readers and administrators is refused, and not shown', () => {
  const { message } = refusalOf({ READ_TOKEN: 'x'.repeat(16), ADMIN_TOKEN: 'x'.repeat(16) })
  assert.match(message, /- READ_TOKEN is the ADMIN_TOKEN, too/)
  assert.doesNotMatch(message, /xxxx/)
})

test('a URL in the place of a host is refused, and its password is not shown', () => {
  for (const value of [
    'postgresql://me:secret@db/clicks',
    'me:secret@db',
    'db/clicks',
    'db:5432',
    '[::1]',
    'one,two',
  ]) {
    const { message } = refusalOf({ POSTGRES_HOST: value })
    assert.match(message, /- POSTGRES_HOST must be a host, or the folder of a socket/)
    assert.doesNotMatch(message, /secret/)
  }
  assert.ok(parseConfig({ POSTGRES_HOST: '/var/run/postgresql' }))
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

test('A5: every secret can stand in a file, less one newline at its end', () => {
  using folder = temporaryFolder()
  const file = (name: string, text: string): string => {
    const path = join(folder.path, name)
    writeFileSync(path, text)
    return path
  }
  const config = parseConfig({
    POSTGRES_HOST: 'db',
    POSTGRES_PASSWORD_FILE: file('password', ' pässword\n\n'),
    KAFKA_BROKERS: 'kafka',
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256',
    KAFKA_USERNAME: 'me',
    KAFKA_PASSWORD_FILE: file('kafka', 'sesame\n'),
    ORIGINAL_DATABASE_URL_FILE: file('original', 'postgresql://original/clicks'),
    READ_TOKEN_FILE: file('read', 'a-token-for-readers\n'),
    ADMIN_TOKEN_FILE: file('admin', 'a-token-for-admins\r\n'),
  })
  assert.ok(config.store.kind === 'postgres')
  assert.equal(config.store.connection.password, ' pässword\n')
  assert.ok(config.clickLog.kind === 'kafka')
  assert.equal(config.clickLog.connection.sasl?.password, 'sesame')
  assert.equal(config.original?.host, 'original')
  assert.deepEqual(config.tokens, { read: 'a-token-for-readers', admin: 'a-token-for-admins' })
  const url = { DATABASE_URL_FILE: file('url', 'postgresql://db/clicks\n') }
  assert.deepEqual(
    parseConfig({ ...url, DATABASE_URL: '' }),
    parseConfig({ DATABASE_URL: 'postgresql://db/clicks' }),
  )
  assert.deepEqual(parseConfig({ READ_TOKEN_FILE: '' }), parseConfig({}))
})

test('a secret whose file is of no use is refused with name, path and reason, never with contents', () => {
  using folder = temporaryFolder()
  const path = (name: string) => join(folder.path, name)
  mkdirSync(path('folder'))
  for (const [name, contents] of Object.entries({
    short: 'secret',
    empty: '',
    newline: '\n',
    latin: Buffer.from('a-secret-p\u00e4ssword', 'latin1'),
    large: 'secret'.padEnd(65_537, '.'),
    largest: 'secret'.padEnd(65_536, '\u007f'),
  })) {
    writeFileSync(path(name), contents)
  }
  for (const [name, rule] of Object.entries({
    missing: 'is in a file that cannot be read: no such file or directory',
    folder: 'is in a file that is no regular file',
    short: 'must have at least 16 visible ASCII characters',
    empty: 'is in a file that is empty',
    newline: 'is in a file that is empty',
    latin: 'is in a file that is not UTF-8',
    large: 'is in a file that is larger than 64 KiB',
    largest: 'must have at least 16 visible ASCII characters',
  })) {
    const { message, exitCode } = refusalOf({ PORT: 'http', READ_TOKEN_FILE: path(name) })
    assert.equal(exitCode, 2)
    assert.equal(
      message.replace(folder.path, ''),
      `The configuration is wrong:
  - PORT must be an integer from 0 to 65535; it is "http"
  - READ_TOKEN ${rule}; READ_TOKEN_FILE names "/${name}"`,
    )
  }
})

test('a secret is set once, and its file takes part in where Postgres is', () => {
  using folder = temporaryFolder()
  const file = join(folder.path, 'secret')
  writeFileSync(file, 'postgresql://db/clicks')
  assert.match(
    refusalOf({ READ_TOKEN: 'a-token-for-readers', READ_TOKEN_FILE: file }).message,
    /- READ_TOKEN and READ_TOKEN_FILE are both set; unset one of them/,
  )
  assert.equal(
    refusalOf({ DATABASE_URL_FILE: file, POSTGRES_USER: 'me' }).message,
    `The configuration is wrong:
  - DATABASE_URL_FILE and POSTGRES_USER both say where Postgres is; unset one of them`,
  )
  assert.match(
    refusalOf({ POSTGRES_PASSWORD_FILE: file }).message,
    /- POSTGRES_PASSWORD_FILE without POSTGRES_HOST; set it too, or unset the others/,
  )
})

test('O7: the environment goes before .env, which is named only where a value of it counts', () => {
  const path = '/somewhere/.env'
  const values = { PORT: '9000', LOG_LEVEL: 'debug', OTHER: 'x' }
  const config = parseConfig({ PORT: '9001', LOG_LEVEL: '' }, { path, values })
  assert.equal(config.http.port, 9_001)
  assert.equal(config.log.level, 'debug')
  assert.equal(config.envFile, path)
  const overridden = parseConfig({ PORT: '9001', LOG_LEVEL: 'info' }, { path, values })
  assert.equal(overridden.envFile, undefined)
})

test('O9: a name that looks like a typo of ours is a warning', () => {
  for (const [name, meant] of Object.entries({
    KEY_RETENTION_HOUR: 'KEY_RETENTION_HOURS',
    KEY_RETENTION_DAYS: 'KEY_RETENTION_HOURS',
    ACK_TIMEOUT: 'ACK_TIMEOUT_MS',
    SHUTDOWN_TIMEOUT: 'SHUTDOWN_TIMEOUT_MS',
    DATABASE_URI: 'DATABASE_URL',
    POSTGRES_PASWORD: 'POSTGRES_PASSWORD',
    POSTGRES_PASSWORD_FIEL: 'POSTGRES_PASSWORD_FILE',
    BANNER_FILE: 'BANNERS_FILE',
    LOGLEVEL: 'LOG_LEVEL',
    Read_Token: 'READ_TOKEN',
    port: 'PORT',
  })) {
    const { warnings } = parseConfig({ [name]: 'x', PORT: '9000' })
    assert.deepEqual(warnings, [`${name} is no setting; did you mean ${meant}?`])
    assert.deepEqual(parseConfig({ [name]: '' }).warnings, [], 'an empty one is an unset one')
  }
})

test('O9: names that are common in environments are no typos', () => {
  const common = `
    HOSTNAME HOSTTYPE HOSTS PORTS POST PATH PWD ROLES HOME SHELL LOGNAME LOG_DIR LOG_FILE LOGS DATA
    DATABASE_HOST DATABASE_USER DATABASE_NAME DATABASE_URL_TEST DB_HOST DB_PORT PGHOST PGPORT PGDATABASE
    POSTGRES_INITDB_ARGS POSTGRES_INITDB_WALDIR POSTGRES_HOST_AUTH_METHOD POSTGRES_VERSION POSTGRES_HOME
    POSTGRES_DSN POSTGRES_CERT POSTGRES_SERVICE_HOST POSTGRES_SERVICE_PORT POSTGRES_PORT_5432_TCP
    POSTGRES_PORT_5432_TCP_ADDR KAFKA_HOME KAFKA_OPTS KAFKA_PORT KAFKA_BROKER_ID KAFKA_HEAP_OPTS
    KAFKA_LOG_DIRS KAFKA_SERVICE_HOST KAFKA_CFG_NODE_ID KAFKA_ADVERTISED_LISTENERS KAFKA_NUM_PARTITIONS NODE_ENV NODE_OPTIONS GH_TOKEN GITHUB_TOKEN NPM_TOKEN XDG_DATA_DIRS
    npm_config_loglevel npm_package_name npm_lifecycle_event http_proxy https_proxy LIVE_RELOAD TZ LANG`
  const environment = Object.fromEntries(
    common
      .trim()
      .split(/\s+/)
      .map((name) => [name, 'x']),
  )
  assert.deepEqual(parseConfig(environment).warnings, [])
})

test('O9: the file of what is no secret is a warning, as it is not read', () => {
  const names = ['POSTGRES_USER', 'POSTGRES_DB', 'KAFKA_BROKERS', 'PORT', 'KAFKA_TLS_CA']
  const files = Object.fromEntries(names.map((name) => [`${name}_FILE`, '/run/secrets/x']))
  assert.deepEqual(
    parseConfig(files).warnings,
    names.map((name) => `${name}_FILE is no setting: only secrets have a file; set ${name}`),
  )
})

test('in .env a short name may not differ by a character, and a name is warned of once', () => {
  const values = {
    PROT: '9000',
    HOSTS: 'db',
    POSTGRES_INITDB_ARGS: '-k',
    TZ: 'UTC',
    COMPOSE_FILE: 'x',
  }
  assert.deepEqual(parseConfig({ PROT: '9000', ROLES: 'x' }, { path: '.env', values }).warnings, [
    'PROT is no setting; did you mean PORT?',
    'HOSTS is no setting; did you mean HOST?',
  ])
})

test('what is refused comes with the typos that may be why', () => {
  assert.equal(
    refusalOf({ POSTGRES_HSOT: 'db', POSTGRES_USER: 'me' }).message,
    `The configuration is wrong:
  - POSTGRES_USER without POSTGRES_HOST; set it too, or unset the others
  - POSTGRES_HSOT is no setting; did you mean POSTGRES_HOST?`,
  )
})
