// Postgres's own tools for backups, as the system has them, and a server of their version.
import { execFile } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { startPostgres, type PostgresServer } from './postgres.ts'
import { toolPath } from './tools.ts'

const TIMEOUT_MS = 60_000
const NAMES = ['initdb', 'postgres', 'pg_dump', 'pg_restore', 'pg_basebackup']

/** Debian's are wrappers on PATH, and stand in a folder for each version. */
function folderOfTools(): string {
  const folders = [...globSync('/usr/lib/postgresql/*/bin'), dirname(toolPath('pg_dump'))]
  const found = folders.find((folder) => NAMES.every((name) => existsSync(join(folder, name))))
  if (found !== undefined) return found
  throw new Error(`No folder has all of ${NAMES.join(', ')}: apt-get install postgresql`)
}

/** `pg_dump` dumps no server that is newer than itself. */
export function startServerOfTools(backup?: string): Promise<PostgresServer> {
  process.env['PG_BIN'] = folderOfTools()
  return startPostgres({ isDurable: false, ...(backup !== undefined && { backup }) })
}

export async function runTool(
  name: 'pg_dump' | 'pg_restore' | 'pg_basebackup',
  args: readonly string[],
): Promise<void> {
  await promisify(execFile)(join(folderOfTools(), name), args, { timeout: TIMEOUT_MS })
}
