import { readdirSync, readFileSync } from 'node:fs'
import { fail, ok, warn, type Check } from '../check.ts'
import { OperatorError } from '../errors.ts'

const FOLDER = new URL('../../sql/', import.meta.url)

/** One file of sql/. A database with version 2 has the first two. */
interface SchemaFile {
  readonly version: number
  readonly name: string
  readonly sql: string
}

/** What a migration did. */
export interface Migration {
  /** Of the database, now. */
  readonly version: number
  /** The names of the files that were applied, none if it was up to date. */
  readonly applied: readonly string[]
}

/**
 * The files that a database lacks, in order. Throws an OperatorError if it has more than there are:
 * a newer version was here.
 */
export function missingFiles(store: 'sqlite' | 'postgres', version: number): SchemaFile[] {
  const folder = new URL(`${store}/`, FOLDER)
  const names = readdirSync(folder)
    .filter((name) => /^\d{4}-.+\.sql$/.test(name))
    .toSorted()
  if (version > names.length) {
    throw new OperatorError(
      `The database has schema ${version}, this Tallymark knows ${names.length}: it was written by a newer version. Start that version, or restore a backup from before the upgrade.`,
    )
  }
  return names
    .map((name, index) => ({
      version: index + 1,
      name,
      sql: readFileSync(new URL(name, folder), 'utf8'),
    }))
    .slice(version)
}

/**
 * For who works on a database without migrating it. Throws an OperatorError unless it is up to date.
 */
export function checkSchema(store: 'sqlite' | 'postgres', version: number): void {
  const missing = missingFiles(store, version)
  if (missing.length === 0) return
  throw new OperatorError(
    `The database has schema ${version}, this Tallymark needs ${version + missing.length}: stop the service, and run "tallymark migrate".`,
  )
}

/** For `tallymark doctor`. */
export function schemaCheck(store: 'sqlite' | 'postgres', version: number): Check {
  const known = missingFiles(store, 0).length
  if (version === 0) return ok('schema', 'no tables yet; the first start makes them')
  if (version > known) {
    return fail(
      'schema',
      `${version}, of a newer version; this one knows ${known}`,
      'start that version, or restore a backup from before the upgrade',
    )
  }
  return version === known
    ? ok('schema', `up to date (${version})`)
    : warn(
        'schema',
        `${version}, and this version needs ${known}`,
        'stop the service, and run "tallymark migrate"',
      )
}
