// For `tallymark doctor`: the Postgres store as it is found. Nothing is changed.
import { fail, ok, warn, type Check } from '../../check.ts'
import { isUnavailable, reasonOf } from '../../errors.ts'
import { instantsCheck } from '../instants-check.ts'
import { schemaCheck } from '../schema.ts'
import { Connections, type Row, type Statement } from './connections.ts'
import { CONNECTIONS_MAX, type PostgresOptions } from './database.ts'
import { refusalOf } from './failure.ts'
import { schemaVersion } from './migrate.ts'
import { lastInstant, VERSION_MIN } from './upkeep.ts'

const QUERY_TIMEOUT_MS = 3_000
const CLOCKS_APART_MS_MAX = 1_000

export async function inspectPostgres(options: PostgresOptions): Promise<Check[]> {
  const { connection, label } = options
  await using connections = new Connections({
    connection,
    label,
    purpose: 'doctor',
    connectionsMax: 1,
    waitingMax: 1,
    queryTimeoutMs: QUERY_TIMEOUT_MS,
  })
  const checks: Check[] = []
  try {
    const [server = {}] = await connections.query(askServer())
    checks.push(ok('database', label), ...serverChecks(server))
    const version = await schemaVersion((statement) => connections.query(statement))
    const schema = schemaCheck('postgres', version)
    checks.push(schema)
    const [rights = {}] = await connections.query(askRights())
    const access = rightsCheck(rights)
    checks.push(access)
    if (version > 0 && schema.verdict === 'ok' && access.verdict === 'ok') {
      const [stored] = await connections.query(lastInstant())
      checks.push(instantsCheck(Number(stored?.['latest']), Number(stored?.['instant'])))
    }
    checks.push(...(await deadLettersChecks(connections)))
    checks.push(await clockCheck(connections))
  } catch (error) {
    const isExpected = isUnavailable(error) || refusalOf(error) !== undefined
    if (!isExpected || !(error instanceof Error)) throw error
    checks.push(failure(label, error))
  }
  return [...checks, ok('disk', 'nothing is kept on this machine; watch that of Postgres')]
}

function failure(label: string, error: Error): Check {
  const refusal = refusalOf(error)
  return refusal === undefined
    ? fail(
        'database',
        `${label} does not answer: ${reasonOf(error)}`,
        'start Postgres, or correct its address in DATABASE_URL or POSTGRES_HOST',
      )
    : fail(
        'database',
        `${label} ${refusal}`,
        'correct user, password, database and sslmode in DATABASE_URL or POSTGRES_*',
      )
}

function askServer(): Statement {
  return {
    text: `
      select current_setting('server_version_num')::int as version,
        current_setting('server_version') as version_name,
        pg_is_in_recovery() as is_standby,
        current_setting('transaction_read_only') = 'on' as is_read_only,
        current_setting('fsync') as fsync,
        current_setting('full_page_writes') as full_page_writes,
        current_setting('synchronous_commit') as synchronous_commit,
        current_setting('max_connections')::int as connections_max,
        current_setting('superuser_reserved_connections')::int
          + coalesce(current_setting('reserved_connections', true), '0')::int
          + (select coalesce(sum(numbackends), 0) from pg_stat_database)::int as connections_taken`,
  }
}

/** Exported for tests: not every server can be had there. */
export function serverChecks(server: Row): Check[] {
  return [
    versionCheck(server),
    primaryCheck(server),
    fsyncCheck(server),
    pagesCheck(server),
    commitCheck(server),
    connectionsCheck(server),
  ]
}

function versionCheck({ version, version_name: name }: Row): Check {
  const found = `Postgres ${String(name)}`
  return Number(version) >= VERSION_MIN * 10_000
    ? ok('version', found)
    : fail('version', found, `Tallymark needs ${VERSION_MIN} or later`)
}

function primaryCheck({ is_standby, is_read_only }: Row): Check {
  if (is_standby === true) {
    return fail('primary', 'it is a standby, which cannot be written to', 'name the primary')
  }
  return is_read_only === true
    ? fail(
        'primary',
        'its transactions can only read',
        'set default_transaction_read_only = off for this user and database',
      )
    : ok('primary', 'it can be written to')
}

function fsyncCheck({ fsync }: Row): Check {
  return fsync === 'on'
    ? ok('fsync', 'on: an acknowledged click is on the disk')
    : fail(
        'fsync',
        'off: a loss of power will lose acknowledged clicks, and may ruin the database',
        'set fsync = on in postgresql.conf, and restart Postgres',
      )
}

function pagesCheck({ full_page_writes: isOn }: Row): Check {
  return isOn === 'on'
    ? ok('page writes', 'full_page_writes = on')
    : warn(
        'page writes',
        'full_page_writes = off: a loss of power may ruin the database',
        'set it on in postgresql.conf, unless the file system writes whole pages (ZFS)',
      )
}

/** Every connection of ours sets it; a pooler may give the next statement another session. */
function commitCheck({ synchronous_commit: commit }: Row): Check {
  return commit === 'on'
    ? ok('commits', 'synchronous_commit = on in each session of the service')
    : fail(
        'commits',
        `synchronous_commit = ${String(commit)}, though the session set it on`,
        'use the session mode of the pooler, or connect without one',
      )
}

function connectionsCheck({ connections_max: most, connections_taken: taken }: Row): Check {
  const free = Number(most) - Number(taken)
  const found = `${free} of ${Number(most)} are free`
  return free >= CONNECTIONS_MAX
    ? ok('connections', found)
    : warn(
        'connections',
        found,
        `raise max_connections: a process of Tallymark takes up to ${CONNECTIONS_MAX}`,
      )
}

/** Tables that the service writes to; `missing` names those that it may not. */
function askRights(): Statement {
  return {
    text: `
      with own as (
        select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname = current_schema() and tablename in (
          'banners', 'registry', 'positions', 'merges', 'unmerged', 'keys', 'minute_counts',
          'quarter_counts', 'day_counts', 'imported_counts', 'partitions', 'members',
          'dead_letters', 'retention', 'schema_versions'
        )
      )
      select current_user::text as "user", current_schema()::text as schema,
        coalesce(has_schema_privilege(current_schema(), 'create'), false) as may_create,
        (select count(*) from own)::int as tables,
        (
          select coalesce(string_agg(name, ', ' order by name), '') from own
          where not (
            has_table_privilege(name, 'select') and has_table_privilege(name, 'insert')
            and has_table_privilege(name, 'update') and has_table_privilege(name, 'delete')
          )
        ) as missing`,
  }
}

function rightsCheck({ user, schema, may_create, tables, missing }: Row): Check {
  const who = String(user)
  if (typeof schema !== 'string') {
    return fail(
      'rights',
      `${who} may use no schema that it looks for tables in`,
      `grant usage, create on schema public to ${who}`,
    )
  }
  if (missing !== '') {
    return fail(
      'rights',
      `${who} may not read and write ${String(missing)}`,
      `grant select, insert, update, delete on all tables in schema ${schema} to ${who}`,
    )
  }
  if (may_create === true) return ok('rights', `${who} may create and write tables in ${schema}`)
  const remedy = `grant create on schema ${schema} to ${who}`
  return Number(tables) === 0
    ? fail('rights', `${who} may not create tables in ${schema}`, remedy)
    : ok('rights', `${who} may write; "tallymark migrate" would need: ${remedy}`)
}

/** None where there is no such table yet, or one that may not be read. */
async function deadLettersChecks(connections: Connections): Promise<Check[]> {
  const [found] = await connections.query({
    text: `select has_table_privilege(to_regclass('dead_letters'), 'select') as is_readable`,
  })
  if (found?.['is_readable'] !== true) return []
  const [row] = await connections.query({
    text: 'select count(*)::float8 as letters from dead_letters',
  })
  return [deadLettersCheck(Number(row?.['letters']))]
}

function deadLettersCheck(letters: number): Check {
  if (letters === 0) return ok('dead letters', 'none')
  const found = `${letters} ${letters === 1 ? 'record' : 'records'} of the click log could not be counted`
  return warn('dead letters', found, 'see why: tallymark dead-letters list')
}

/** By a statement of its own: the first one took the time to connect. */
async function clockCheck(connections: Connections): Promise<Check> {
  const sentAt = Date.now()
  const [row] = await connections.query({
    text: 'select extract(epoch from clock_timestamp())::float8 * 1000 as instant',
  })
  const answeredAt = Date.now()
  return clocksCheck(Number(row?.['instant']), sentAt, answeredAt)
}

/** Exported for tests. The server's clock showed `instant` between the two of this machine. */
export function clocksCheck(instant: number, sentAt: number, answeredAt: number): Check {
  const apartMs = Math.max(0, sentAt - instant, instant - answeredAt)
  const found = `apart from that of this machine by ${(apartMs / 1_000).toFixed(1)} s`
  return apartMs <= CLOCKS_APART_MS_MAX
    ? ok('clock', found)
    : warn('clock', found, 'set both by NTP: the minutes of clicks follow that of Postgres')
}
