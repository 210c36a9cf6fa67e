import type { DatabaseSync } from 'node:sqlite'
import { missingFiles, type Migration } from '../schema.ts'
import { databaseFile, openForWriting, transaction } from './connection.ts'
import { asSentence } from './failure.ts'
import { lockFolder } from './folder-lock.ts'

/** Makes the database if there is none; refused while a service is at work on the folder. */
export function migrateFolder(folder: string): Migration {
  using closing = new DisposableStack()
  closing.use(lockFolder(folder))
  return asSentence(folder, () => migrate(closing.use(openForWriting(databaseFile(folder)))))
}

/**
 * Brings the schema up to date: every file of sql/sqlite that was not applied yet, in order, in one
 * transaction under the write lock. `user_version` holds the number of the last one.
 */
export function migrate(database: DatabaseSync): Migration {
  return transaction(database, 'begin immediate', () => {
    const missing = missingFiles('sqlite', schemaVersion(database))
    for (const { version, sql } of missing) {
      database.exec(sql)
      // Pragmas take no parameters; this is a number of our own.
      database.exec(`pragma user_version = ${version}`)
    }
    return { version: schemaVersion(database), applied: missing.map(({ name }) => name) }
  })
}

/** 0: nothing was made yet. */
export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('pragma user_version').get()?.['user_version'])
}
