import { readdirSync, readFileSync } from 'node:fs'
import { OperatorError } from '../../errors.ts'
import type { Connections, Query } from './connections.ts'

const FOLDER = new URL('../../../sql/postgres/', import.meta.url)

/**
 * Brings the schema up to date: every file of sql/postgres that was not applied yet, in order, in
 * one transaction under a lock, so that processes that start at once wait for the first.
 */
export async function migrate(connections: Connections): Promise<void> {
  const files = readdirSync(FOLDER)
    .filter((name) => /^\d{4}-.+\.sql$/.test(name))
    .toSorted()
  await connections.transaction(async (query) => {
    await query({ text: `select pg_advisory_xact_lock(hashtext('tallymark migrations'))` })
    const applied = await schemaVersion(query)
    if (applied > files.length) {
      throw new OperatorError(
        `The database has schema ${applied}, this Tallymark knows ${files.length}: it was written by a newer version. Start that version, or restore a backup from before the upgrade.`,
      )
    }
    for (const [index, name] of [...files.entries()].slice(applied)) {
      await query({ text: readFileSync(new URL(name, FOLDER), 'utf8') })
      await query({
        text: 'insert into schema_versions (version, name) values ($1, $2)',
        values: [index + 1, name],
      })
    }
  })
}

/** How many files were applied. */
async function schemaVersion(query: Query): Promise<number> {
  await query({
    text: `create table if not exists schema_versions (
      version integer primary key,
      name text not null,
      applied_at timestamptz not null default now()
    )`,
  })
  const [row] = await query({ text: 'select max(version) as version from schema_versions' })
  return Number(row?.['version'] ?? 0)
}
