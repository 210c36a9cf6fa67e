import { readdirSync, readFileSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { OperatorError } from '../../errors.ts'
import { transaction } from './connection.ts'

const FOLDER = new URL('../../../sql/sqlite/', import.meta.url)

/**
 * Brings the schema up to date: every file of sql/sqlite that was not applied yet, in order, in one
 * transaction under the write lock. `user_version` holds the number of the last one.
 */
export function migrate(database: DatabaseSync): void {
  const files = readdirSync(FOLDER)
    .filter((name) => /^\d{4}-.+\.sql$/.test(name))
    .toSorted()
  transaction(database, 'begin immediate', () => {
    const applied = schemaVersion(database)
    if (applied > files.length) {
      throw new OperatorError(
        `The database has schema ${applied}, this Tallymark knows ${files.length}: it was written by a newer version. Start that version, or restore a backup from before the upgrade.`,
      )
    }
    for (const name of files.slice(applied))
      database.exec(readFileSync(new URL(name, FOLDER), 'utf8'))
    // Pragmas take no parameters; this is a number of our own.
    if (applied < files.length) database.exec(`pragma user_version = ${files.length}`)
  })
}

function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('pragma user_version').get()?.['user_version'])
}
