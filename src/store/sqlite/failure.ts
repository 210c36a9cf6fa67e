import { OperatorError } from '../../errors.ts'

// SQLite's primary result codes, https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_FULL = 13
/** SQLITE_READONLY, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB */
const OF_THE_DISK = [8, 10, 11, 14, 26]

/** The primary result code of an error that node:sqlite threw, or undefined. */
function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  // The low byte is the primary code, the rest says more of the same.
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** Somebody else holds the file. */
export function isContention(error: unknown): boolean {
  const code = sqliteCode(error)
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}

/**
 * The same transaction may succeed later: the file is locked, or the disk is full. Everything else
 * (an I/O error, a damaged file, a mistake of ours) ends the process: after a failed fsync nobody
 * knows what is on disk, and a restart finds out.
 */
export function isPassing(error: unknown): boolean {
  return isContention(error) || sqliteCode(error) === SQLITE_FULL
}

/** The disk or the file on it fails, which an operator can mend: no mistake of ours. */
export function isOfTheDisk(error: unknown): boolean {
  return OF_THE_DISK.includes(sqliteCode(error) ?? 0)
}

/** Whatever SQLite says to a start or a command is a sentence for the operator. */
export function asSentence<T>(folder: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error) || sqliteCode(error) === undefined) throw error
    throw new OperatorError(`The database in ${folder} cannot be used: ${error.message}.`, {
      cause: error,
    })
  }
}
