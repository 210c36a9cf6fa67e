import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApp, type App } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/logger.ts'
import { temporaryFolder } from './service.ts'

export interface TestApp extends App {
  readonly folder: string
  /** What was logged so far. */
  log(): string
}

/** Banners of every status, besides the active ones 1 to 9 and 42. */
export const PAUSED = 50
export const ARCHIVED = 51
export const UNKNOWN = 2_147_483_647

/** The whole service in this process, on a port and in a folder of its own. */
export async function startTestApp(settings: Record<string, string> = {}): Promise<TestApp> {
  const resources = new AsyncDisposableStack()
  const { path: folder } = resources.use(temporaryFolder())
  const bannersFile = join(folder, 'banners.json')
  writeFileSync(
    bannersFile,
    JSON.stringify([
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 42].map((id) => ({ id, name: `Banner ${id}` })),
      { id: PAUSED, name: 'Paused', status: 'paused', url: 'https://example.org/' },
      { id: ARCHIVED, name: 'Archived', status: 'archived' },
    ]),
  )
  let logged = ''
  const config = parseConfig({
    PORT: '0',
    DATA_DIR: join(folder, 'data'),
    BANNERS_FILE: bannersFile,
    ...settings,
  })
  const logger = createLogger({ ...config.log, write: (line) => void (logged += line) })
  const app = resources.use(await startApp(config, logger))
  return {
    ...app,
    folder,
    log: () => logged,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

/** A problem+json answer, or whatever a body holds. */
export type Json = Record<string, unknown>

export async function jsonOf(answer: Response): Promise<Json> {
  // The tests assert on what they find in it.
  return (await answer.json()) as Json
}
