import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'node:test'
import { startApp, type App } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { Limits } from '../../src/http/limits.ts'
import { createLogger } from '../../src/logger.ts'
import { createDatabase } from './database.ts'
import { temporaryFolder } from './service.ts'

/** Where the service keeps what it counts. */
type TestStore =
  | { readonly kind: 'sqlite'; readonly folder: string }
  | { readonly kind: 'postgres'; readonly url: string }

export interface TestApp extends App {
  readonly store: TestStore
  /** What was logged so far. */
  log(): string
}

type StartTestApp = (
  settings?: Readonly<Record<string, string>>,
  limits?: Partial<Limits>,
) => Promise<TestApp>

/** Banners of every status, besides the active ones 1 to 9 and 42. */
export const PAUSED = 50
export const ARCHIVED = 51
export const UNKNOWN = 2_147_483_647

/** A suite for each shape of the service, all of which answer alike. */
export function inEachShape(suite: (start: StartTestApp) => void): void {
  for (const [name, kind] of [
    ['SQLite', 'sqlite'],
    ['Postgres', 'postgres'],
  ] as const) {
    describe(name, () => suite((settings, limits) => startTestApp(settings, limits, kind)))
  }
}

/** The whole service in this process, on a port and with a store of its own. */
export async function startTestApp(
  settings: Readonly<Record<string, string>> = {},
  limits?: Partial<Limits>,
  kind: TestStore['kind'] = 'sqlite',
): Promise<TestApp> {
  await using building = new AsyncDisposableStack()
  const { path: folder } = building.use(temporaryFolder())
  const store: TestStore =
    kind === 'sqlite'
      ? { kind, folder: join(folder, 'data') }
      : { kind, url: building.use(await createDatabase()).url }
  let logged = ''
  const config = parseConfig({
    PORT: '0',
    BANNERS_FILE: writeBanners(folder),
    ...(store.kind === 'sqlite' ? { DATA_DIR: store.folder } : { DATABASE_URL: store.url }),
    ...settings,
  })
  const logger = createLogger({ ...config.log, write: (line) => void (logged += line) })
  const app = building.use(await startApp(config, logger, limits))
  const built = building.move()
  return {
    ...app,
    store,
    log: () => logged,
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

function writeBanners(folder: string): string {
  const path = join(folder, 'banners.json')
  const banners = [
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 42].map((id) => ({ id, name: `Banner ${id}` })),
    { id: PAUSED, name: 'Paused', status: 'paused', url: 'https://example.org/' },
    { id: ARCHIVED, name: 'Archived', status: 'archived' },
  ]
  writeFileSync(path, JSON.stringify(banners))
  return path
}

/** A problem+json answer, or whatever a body holds. */
export type Json = Record<string, unknown>

export async function jsonOf(answer: Response): Promise<Json> {
  // The tests assert on what they find in it.
  return (await answer.json()) as Json
}
