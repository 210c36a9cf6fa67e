// For `tallymark doctor`: the embedded store as it is found. Nothing is changed, no file is made.
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { fail, ok, warn, type Check } from '../../check.ts'
import { instantsCheck } from '../instants-check.ts'
import { schemaCheck } from '../schema.ts'
import { databaseFile } from './connection.ts'
import { isLocked } from './folder-lock.ts'
import { schemaVersion } from './migrate.ts'
import { storedInstant } from './reads.ts'

const BUSY_TIMEOUT_MS = 1_000
const MIB = 1024 * 1024
/** 220 MiB took 1.1 s. */
const QUICK_CHECK_BYTES_MAX = 256 * MIB
const FREE_BYTES_MIN = 100 * MIB
const FREE_BYTES_ENOUGH = 1024 * MIB
/** Where the header of a database says whether it has a write-ahead log, and what it says then. */
const [FORMAT_BYTE, FORMAT_WITH_LOG] = [18, 2]

export async function inspectFolder(folder: string): Promise<Check[]> {
  const place = existingPartOf(resolve(folder))
  const { type, bsize, bavail } = await statfs(place)
  const disk = [fileSystemCheck(type), diskCheck(bsize * bavail)]
  const access = accessCheck(folder, place)
  if (access.verdict === 'FAIL' || !existsSync(databaseFile(folder))) return [access, ...disk]
  return [access, ...databaseChecks(folder), ...disk]
}

/** The folder, or the nearest one above it that exists. */
function existingPartOf(folder: string): string {
  return existsSync(folder) ? folder : existingPartOf(dirname(folder))
}

function accessCheck(folder: string, place: string): Check {
  if (!statSync(place).isDirectory()) {
    return fail('folder', `${place} is no folder`, 'set another DATA_DIR')
  }
  const isThere = place === resolve(folder)
  try {
    accessSync(place, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return isThere
      ? fail('folder', error.message, 'give the folder to the user of the service (chown)')
      : fail(
          'folder',
          `${folder} cannot be made: ${error.message}`,
          'make it, or set another DATA_DIR',
        )
  }
  if (!isThere) return ok('folder', `${folder} does not exist yet; the first start makes it`)
  const isNew = !existsSync(databaseFile(folder))
  return ok('folder', isNew ? `${folder}, without a database; the first start makes it` : folder)
}

function databaseChecks(folder: string): Check[] {
  const file = databaseFile(folder)
  try {
    const isRunning = isLocked(folder)
    // Before SQLite opens it: closing a file lets go of all locks that this process has on it.
    const hasLog = isInLogFormat(file)
    using database = openToLook(file, isRunning)
    const version = schemaVersion(database)
    return [
      ok('service', isRunning ? 'one is at work on the folder' : 'none is at work on the folder'),
      schemaCheck('sqlite', version),
      ...(version > 0 ? [instantsCheck(storedInstant(database), Date.now())] : []),
      durabilityCheck(hasLog),
      damageCheck(database, file),
    ]
  } catch (error) {
    // The system's and SQLite's errors have a code; mistakes of ours have none.
    if (!(error instanceof Error) || !('code' in error)) throw error
    return [fail('database', `${file}: ${error.message}`, DAMAGE_REMEDY)]
  }
}

const DAMAGE_REMEDY = 'stop the service, keep a copy of the folder, and restore a backup'

function isInLogFormat(file: string): boolean {
  const header = Buffer.alloc(FORMAT_BYTE + 1)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header, 0, header.length, 0)
  } finally {
    closeSync(descriptor)
  }
  return header[FORMAT_BYTE] === FORMAT_WITH_LOG
}

/** Where nobody has it open, an ordinary reader would make the files -wal and -shm, and leave them. */
function openToLook(file: string, isRunning: boolean): DatabaseSync {
  const url = pathToFileURL(file)
  const logBytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
  if (!isRunning && logBytes === 0) url.searchParams.set('immutable', '1')
  return new DatabaseSync(url, { timeout: BUSY_TIMEOUT_MS, readOnly: true })
}

function durabilityCheck(hasLog: boolean): Check {
  return hasLog
    ? ok('durability', 'write-ahead log; each commit waits for the disk (synchronous = full)')
    : warn(
        'durability',
        'the database has no write-ahead log, so another program has changed it',
        'start the service again: it sets journal_mode = wal',
      )
}

function damageCheck(database: DatabaseSync, file: string): Check {
  const { size } = statSync(file)
  if (size > QUICK_CHECK_BYTES_MAX) {
    return ok('database', `${bytesText(size)}; too large to be checked for damage here`)
  }
  const found = String(database.prepare('pragma quick_check(1)').get()?.['quick_check'])
  return found === 'ok'
    ? ok('database', `${bytesText(size)}, and no damage found`)
    : fail('database', `damaged: ${found}`, DAMAGE_REMEDY)
}

/** Exported for tests, which have one disk. */
export function diskCheck(freeBytes: number): Check {
  const found = `${bytesText(freeBytes)} free`
  if (freeBytes >= FREE_BYTES_ENOUGH) return ok('disk', found)
  return freeBytes >= FREE_BYTES_MIN
    ? warn('disk', found, 'make room soon: on a full disk no click can be counted')
    : fail('disk', found, 'make room now: on a full disk no click can be counted')
}

// statfs(2) of Linux; other systems number theirs otherwise.
const NETWORK = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
])
const MEMORY = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])

/** Exported for tests, as above. */
export function fileSystemCheck(type: number, platform = process.platform): Check {
  const network = platform === 'linux' ? NETWORK.get(type) : undefined
  if (network !== undefined) {
    return warn(
      'file system',
      `${network}, where locks and write-ahead log cannot be relied on`,
      'keep DATA_DIR on a disk of this machine, or use Postgres',
    )
  }
  const memory = platform === 'linux' ? MEMORY.get(type) : undefined
  if (memory !== undefined) {
    return warn(
      'file system',
      `${memory}, which is gone after a restart of the machine`,
      'set DATA_DIR to a folder on a disk',
    )
  }
  return ok('file system', 'of this machine')
}

function bytesText(bytes: number): string {
  return bytes >= 1024 * MIB
    ? `${(bytes / 1024 / MIB).toFixed(1)} GiB`
    : `${(bytes / MIB).toFixed(1)} MiB`
}
