import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

const BUSY_TIMEOUT_MS = 1_000
const WAL_BYTES_KEPT = 64 * 1024 * 1024

export function databaseFile(folder: string): string {
  return join(folder, 'tallymark.sqlite')
}

/**
 * Opens the database for the one writing connection. A commit is one fsync of the log (WAL, FULL):
 * it survives kill -9 and loss of power.
 */
export function openForWriting(file: string, pagesMax?: number): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  database.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma fullfsync = on;
    pragma checkpoint_fullfsync = on;
    pragma journal_size_limit = ${WAL_BYTES_KEPT};
  `)
  if (pagesMax !== undefined) database.exec(`pragma max_page_count = ${pagesMax}`)
  return database
}

/** A connection of its own for reads: a slow one on the writer's would hold up acknowledgements. */
export function openForReading(file: string): DatabaseSync {
  return new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS, readOnly: true })
}

/** Runs `work` between `begin` and `commit`; rolls back if either fails. */
export function transaction<T>(database: DatabaseSync, begin: string, work: () => T): T {
  database.exec(begin)
  try {
    const result = work()
    database.exec('commit')
    return result
  } catch (error) {
    // SQLite rolls back by itself after some errors, a full disk among them.
    if (database.isTransaction) database.exec('rollback')
    throw error
  }
}
