import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { OperatorError } from '../../errors.ts'
import { isContention } from './failure.ts'

/** Whoever only looks (below) holds the file for a moment; a service holds it for as long as it lives. */
const LOOK_MS_MAX = 500

/**
 * Holds `folder` for this process, for as long as it lives: two services on one database would
 * both believe to be its only writer. Node has no flock, but SQLite has: an exclusive transaction
 * on a file of its own, which the system lets go of even after kill -9.
 */
export function lockFolder(folder: string): Disposable {
  checkIsFolder(folder)
  try {
    makeFolder(resolve(folder))
  } catch (cause) {
    throw new OperatorError(`DATA_DIR ${folder} cannot be made: ${reasonOf(cause)}.`, { cause })
  }
  let lock: DatabaseSync
  try {
    lock = new DatabaseSync(lockFile(folder), { timeout: LOOK_MS_MAX })
    lock.exec('begin exclusive')
  } catch (cause) {
    if (isContention(cause)) {
      throw new OperatorError(
        `DATA_DIR ${folder} is in use by another Tallymark. Stop that one, or set another DATA_DIR.`,
        { cause },
      )
    }
    throw new OperatorError(`DATA_DIR ${folder} cannot be written: ${reasonOf(cause)}.`, { cause })
  }
  return { [Symbol.dispose]: () => lock.close() }
}

/** SQLite says of a file in its place that it is "unable to open database file". */
export function checkIsFolder(folder: string): void {
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new OperatorError(`The folder of the database, ${folder}, is a file; name another one.`)
  }
}

/**
 * With the folders above it. Not by `recursive`: where nobody can make a folder, as below /proc, Node
 * tries for ever.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if (!existsSync(folder)) throw error // else another start was quicker
  }
}

/** Whether a service is at work on the folder. Changes nothing. */
export function isLocked(folder: string): boolean {
  const file = lockFile(folder)
  if (!existsSync(file)) return false
  using lock = new DatabaseSync(file, { timeout: 0, readOnly: true })
  try {
    lock.prepare('select 1 from sqlite_schema').get()
    return false
  } catch (error) {
    if (isContention(error)) return true
    throw error
  }
}

function lockFile(folder: string): string {
  return join(folder, 'lock.sqlite')
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
