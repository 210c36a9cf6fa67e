// `npm run bench:banners`: what 100,000 banners cost beside 100, in one run: the start, memory, and
// how soon another process follows a change.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../test/support/database.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { median, quantile, say, writeSection } from './report.ts'
import { startServer } from './server.ts'

const NUMBERS = [100, 100_000] as const
const REPEATS = 5
const IDLE_MS = 5_000
const CHANGES = 40
const MIB = 1024 * 1024
const [PORT, OTHER_PORT] = [18_500, 18_501]

interface Cost {
  /** Milliseconds from the start of the process to an open port, with the banners in the store. */
  readonly startMs: number
  readonly rssMib: number
  /** Of one core, without clicks. */
  readonly idleShare: number
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-banners-'))
try {
  const rows: string[] = []
  await using postgres = await startPostgres({ isDurable: true })
  for (const banners of NUMBERS) {
    const file = bannersFile(banners)
    const embedded = await costOf(file, { DATA_DIR: join(folder, String(banners)) })
    await using database = await createDatabase(postgres.url)
    const onPostgres = await costOf(file, { DATABASE_URL: database.url })
    say(`${banners} banners`, { embedded, onPostgres })
    rows.push(rowOf('embedded', banners, embedded), rowOf('Postgres', banners, onPostgres))
    if (banners === NUMBERS[1]) await write(rows, await followed(database.url))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function bannersFile(banners: number): string {
  const path = join(folder, `${banners}.json`)
  const all = Array.from({ length: banners }, (_, index) => ({
    id: index + 1,
    name: `Banner ${index + 1}`,
    url: `https://shop.example/offers/${index + 1}`,
  }))
  writeFileSync(path, JSON.stringify(all))
  return path
}

function serve(port: number, settings: Record<string, string>) {
  return startServer(port, ['run.mjs', 'dist/main.js'], {
    ...settings,
    PORT: String(port),
    LOG_LEVEL: 'warn',
  })
}

async function costOf(file: string, settings: Record<string, string>): Promise<Cost> {
  await (await serve(PORT, { ...settings, BANNERS_FILE: file }))[Symbol.asyncDispose]() // loads them
  const starts: number[] = []
  for (let repeat = 1; repeat < REPEATS; repeat += 1) starts.push((await start(settings)).startMs)
  const { startMs, ...cost } = await start(settings, IDLE_MS)
  return { startMs: median([...starts, startMs]), ...cost }
}

async function start(settings: Record<string, string>, idleMs = 0): Promise<Cost> {
  const startedAt = performance.now()
  await using service = await serve(PORT, settings)
  const startMs = performance.now() - startedAt
  const cpuSeconds = service.cpuSeconds()
  await pause(idleMs)
  const idleShare = (service.cpuSeconds() - cpuSeconds) / (idleMs / 1_000)
  return { startMs, rssMib: service.rssBytes() / MIB, idleShare }
}

/** Milliseconds from the answer to a change until another process refuses the banner's clicks. */
async function followed(url: string): Promise<readonly number[]> {
  await using first = await serve(PORT, { DATABASE_URL: url })
  await using second = await serve(OTHER_PORT, { DATABASE_URL: url })
  const delays: number[] = []
  for (let id = 1; id <= CHANGES; id += 1) {
    await fetch(`http://127.0.0.1:${first.port}/banners/${id}`, { method: 'DELETE' })
    const changedAt = performance.now()
    const click = `http://127.0.0.1:${second.port}/counter/${id}`
    while ((await fetch(click, { method: 'HEAD' })).status !== 410) await pause(5)
    delays.push(performance.now() - changedAt)
  }
  return delays.toSorted((a, b) => a - b)
}

function rowOf(shape: string, banners: number, { startMs, rssMib, idleShare }: Cost): string {
  return `| ${shape} | ${banners.toLocaleString('en')} | ${startMs.toFixed(0)} ms | ${rssMib.toFixed(0)} MiB | ${(100 * idleShare).toFixed(1)} % |`
}

async function write(rows: readonly string[], delays: readonly number[]): Promise<void> {
  const [p50, p99] = [quantile(delays, 0.5), quantile(delays, 0.99)].map((ms) => ms.toFixed(0))
  await writeSection(
    'Many banners',
    'npm run bench:banners',
    `The median of ${REPEATS} starts, memory and the load of a core ${IDLE_MS / 1_000} s after the start, without clicks.

| store | banners | start | memory | idle |
|---|---|---|---|---|
${rows.toSorted().join('\n')}

With ${NUMBERS[1].toLocaleString('en')} banners a second process on the same Postgres followed ${CHANGES} changes, made one
after the other, after ${p50} ms (median) and at most ${p99} ms.`,
  )
}
