// With which flags the service's Node starts. run.mjs imports what this compiles to, on Node 20 too.
import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/**
 * The embedded store's threads take memory of their own, so the young generation is kept small; on
 * Postgres there is room for one that is collected less often. And an old generation of 20 MB need
 * not grow to 70 before it is looked at (docs/decisions/0005).
 *
 * Only asks which store it will be. Whether the settings are right is said by config.ts, later.
 */
export function memoryFlags(): string[] {
  const isPostgres = [process.env, valuesOfFile()].some(
    (values) => values['DATABASE_URL'] || values['DATABASE_URL_FILE'] || values['POSTGRES_HOST'],
  )
  return [`--max-semi-space-size=${isPostgres ? 16 : 4}`, '--heap-growing-percent=30']
}

function valuesOfFile(): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync('.env', 'utf8'))
  } catch {
    return {} // there is none, or config.ts will say what is wrong with it
  }
}
