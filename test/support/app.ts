import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startApp, type App } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { Limits } from '../../src/http/limits.ts'
import { createLogger } from '../../src/logger.ts'
import { createDatabase } from './database.ts'
import { sendRaw } from './raw.ts'
import { temporaryFolder } from './service.ts'
import { needsOf, SERVICE_SHAPES, type ShapeName } from './shapes.ts'
import { createTopic } from './topic.ts'

const READY_TIMEOUT_MS = 30_000
const COUNTED_TIMEOUT_MS = 20_000
const POLL_MS = 10
/** Twice as long is what `counted` takes, and tests wait for it a hundred times. */
const TIMES = { renewalMs: 50 }

/** Where the service keeps what it counts. */
type TestStore =
  | { readonly kind: 'sqlite'; readonly folder: string }
  | { readonly kind: 'postgres'; readonly url: string }

export interface TestApp extends App {
  readonly shape: ShapeName
  readonly store: TestStore
  /** What was logged so far. */
  log(): string
  /** Resolves when answers have every click that was acknowledged before: where Kafka is the log, a moment later. */
  counted(): Promise<void>
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
  for (const shape of SERVICE_SHAPES) {
    describe(shape, needsOf(shape), () =>
      suite((settings, limits) => startTestApp(settings, limits, shape)),
    )
  }
}

/** The whole service in this process, on a port, with a store and a topic of its own; it is ready. */
export async function startTestApp(
  settings: Readonly<Record<string, string>> = {},
  limits?: Partial<Limits>,
  shape: ShapeName = 'SQLite',
): Promise<TestApp> {
  await using building = new AsyncDisposableStack()
  const { path: folder } = building.use(temporaryFolder())
  const store: TestStore =
    shape === 'SQLite'
      ? { kind: 'sqlite', folder: join(folder, 'data') }
      : { kind: 'postgres', url: building.use(await createDatabase()).url }
  let logged = ''
  const config = parseConfig({
    PORT: '0',
    BANNERS_FILE: writeBanners(folder),
    ...(store.kind === 'sqlite' ? { DATA_DIR: store.folder } : { DATABASE_URL: store.url }),
    ...(shape === 'Kafka' ? building.use(createTopic()).settings : {}),
    ...settings,
  })
  const logger = createLogger({ ...config.log, write: (line) => void (logged += line) })
  const app = building.use(await startApp(config, logger, limits, TIMES))
  const { READ_TOKEN, ADMIN_TOKEN: token = READ_TOKEN } = settings
  if (shape === 'Kafka') await untilReady(app.origin)
  const built = building.move()
  return {
    ...app,
    shape,
    store,
    log: () => logged,
    counted: async () => {
      if (shape === 'Kafka') await untilCounted(app.origin, token)
    },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

/** Topic and partitions are opened while the service is already serving. */
async function untilReady(origin: string): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    const { body } = await ask(origin, '/readyz')
    if (isReady(body)) return
    assert.ok(performance.now() < deadline, `it does not become ready: ${body}`)
    await pause(POLL_MS)
  }
}

/** Each of its parts: clicks are taken before they can be counted. */
function isReady(body: string): boolean {
  const { parts } = JSON.parse(body) as { parts: Record<string, { status: string }> } // or a problem
  return Object.values(parts).every(({ status }) => status === 'ok')
}

/** By the clock that the service has from Postgres, which is on this machine. */
async function untilCounted(origin: string, token: string | undefined): Promise<void> {
  const acknowledged = Date.now()
  const deadline = performance.now() + COUNTED_TIMEOUT_MS
  for (;;) {
    const { headers, body } = await ask(origin, '/stats?tsFrom=0&tsTo=60', token)
    if (Date.parse(headers['tallymark-complete-until'] ?? '') > acknowledged) return
    assert.ok(performance.now() < deadline, `not complete until ${acknowledged}: ${body}`)
    await pause(POLL_MS)
  }
}

/** On a connection of its own, since tests count those that are open. */
function ask(origin: string, path: string, token?: string) {
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`
  const head = `GET ${path} HTTP/1.1\r\nHost: x\r\n${authorization}Connection: close\r\n\r\n`
  return sendRaw(origin, head)
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
