import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { OperatorError } from '../../errors.ts'
import { DAY_MS } from '../../minute.ts'
import { asSentence } from './failure.ts'
import { openGuest } from './guest.ts'
import { readTotals } from './reads.ts'

/** All at once: between two steps another connection may commit, and SQLite begins anew. */
const PAGES_A_STEP = 2_147_483_647
const ALL_TIME = { resolution: 'day', from: 0, to: 100_000_000 * DAY_MS } as const

export interface Backup {
  readonly bytes: number
  /** Of all banners and all time. */
  readonly clicks: number
}

/**
 * Writes what the embedded store has at one instant into a new file, beside a service that may be at
 * work on it: commits go on meanwhile. Under its name the file is whole, checked and on the disk.
 */
export async function backUpFolder(folder: string, file: string): Promise<Backup> {
  const path = resolve(file)
  if (existsSync(path)) throw taken(file)
  using closing = new DisposableStack()
  const database = closing.use(asSentence(folder, () => openGuest(folder, false)))
  const part = `${path}.part-${process.pid}`
  closing.defer(() => rmSync(part, { force: true }))
  try {
    closeSync(openSync(part, 'wx', 0o600)) // as the folder, it is for nobody else
    await backup(database, part, { rate: PAGES_A_STEP })
    const found = check(part)
    sync(part)
    linkSync(part, path) // unlike a rename it overwrites nothing
    sync(dirname(path))
    return found
  } catch (error) {
    if (!(error instanceof Error) || error instanceof OperatorError) throw error
    if ('code' in error && error.code === 'EEXIST') throw taken(file)
    throw new OperatorError(`No backup was made: ${error.message.replaceAll(part, path)}.`, {
      cause: error,
    })
  }
}

function taken(file: string): OperatorError {
  return new OperatorError(`${file} is there already; name a file that is not.`)
}

/** Read without the files that SQLite makes beside a database. */
function check(part: string): Backup {
  const url = pathToFileURL(part)
  url.searchParams.set('immutable', '1')
  using database = new DatabaseSync(url, { readOnly: true })
  const verdict = String(database.prepare('pragma quick_check(1)').get()?.['quick_check'])
  if (verdict !== 'ok') {
    throw new OperatorError(`No backup was made: the database is damaged: ${verdict}.`)
  }
  const { rows } = readTotals(database, { tally: 'click', slices: [ALL_TIME] })
  const clicks = rows.reduce((sum, { total }) => sum + total, 0)
  return { bytes: statSync(part).size, clicks }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
