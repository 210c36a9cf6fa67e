import { missingFiles, type Migration } from '../schema.ts'
import type { Connections, Query } from './connections.ts'

const SCHEMA_VERSIONS = `
  create table if not exists schema_versions (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
  )`

/**
 * Brings the schema up to date: every file of sql/postgres that was not applied yet, in order, in
 * one transaction under a lock, so that processes that start at once wait for the first.
 */
export async function migrate(connections: Connections): Promise<Migration> {
  return connections.transaction(async (query) => {
    await query({ text: `select pg_advisory_xact_lock(hashtext('tallymark migrations'))` })
    const applied = await schemaVersion(query)
    // Only then: who may not create tables may not even ask for one that exists.
    if (applied === 0) await query({ text: SCHEMA_VERSIONS })
    const missing = missingFiles('postgres', applied)
    for (const { version, name, sql } of missing) {
      await query({ text: sql })
      await query({
        text: 'insert into schema_versions (version, name) values ($1, $2)',
        values: [version, name],
      })
    }
    return { version: applied + missing.length, applied: missing.map(({ name }) => name) }
  })
}

/** 0: nothing was made yet. */
export async function schemaVersion(query: Query): Promise<number> {
  const [table] = await query({
    text: `select to_regclass('schema_versions') is not null as is_there`,
  })
  if (table?.['is_there'] !== true) return 0
  const [row] = await query({ text: 'select max(version) as version from schema_versions' })
  return Number(row?.['version'] ?? 0)
}
