// `npm run bench:retention`: what giving up minutes costs those who count. A year of 100 banners with clicks
// in every minute, of which all but a day or two is to go, while 1,000 clicks a second are counted:
// turns with and without RETENTION_MINUTES_DAYS, one after the other. Making the data takes
// minutes, and some gigabytes of disk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../test/support/database.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { BANNERS, DAYS, fillPostgres, fillSqlite } from './past-year.ts'
import { median, say, writeSection } from './report.ts'
import { startServer } from './server.ts'

const CLICKS_PER_SECOND = 1_000
const ROUNDS = 5
const TURN_MS = 12_000
/** Not measured: code is compiled and pages are read. */
const WARM_UP_MS = 3_000
const PORT = 18_495

interface Turn {
  readonly p50: number
  readonly p99: number
  /** Rows that were purged a second. */
  readonly rows: number
}

interface Turns {
  readonly without: readonly Turn[]
  readonly purging: readonly Turn[]
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-retention-'))
try {
  const embedded = await measureEmbedded()
  await write(embedded, await measureOnPostgres())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measureEmbedded(): Promise<Turns> {
  const settings = { DATA_DIR: folder }
  await (await serve(settings))[Symbol.asyncDispose]() // makes the schema
  fillSqlite(join(folder, 'tallymark.sqlite'))
  return await measure(settings)
}

async function measureOnPostgres(): Promise<Turns> {
  await using postgres = await startPostgres({ isDurable: true })
  await using database = await createDatabase(postgres.url)
  const settings = { DATABASE_URL: database.url }
  await (await serve(settings))[Symbol.asyncDispose]()
  await fillPostgres(database.url)
  return await measure(settings)
}

function serve(settings: Record<string, string>) {
  return startServer(PORT, ['run.mjs', 'dist/main.js'], {
    ...settings,
    PORT: String(PORT),
    LOG_LEVEL: 'warn',
  })
}

async function measure(settings: Record<string, string>): Promise<Turns> {
  const [without, purging]: [Turn[], Turn[]] = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    without.push(await turn(settings))
    say('without', without.at(-1))
    purging.push(await turn({ ...settings, RETENTION_MINUTES_DAYS: '1' }))
    say('purging', purging.at(-1))
  }
  return { without, purging }
}

async function turn(settings: Record<string, string>): Promise<Turn> {
  await using service = await serve(settings)
  const load = (): ReturnType<typeof spawn> =>
    spawn(process.execPath, ['bench/steady.ts', String(service.port), String(CLICKS_PER_SECOND)])
  const warmUp = load()
  await pause(WARM_UP_MS)
  warmUp.kill()
  await once(warmUp, 'close')
  const measured = load()
  let answers = ''
  measured.stdout?.on('data', (chunk: Buffer) => (answers += chunk.toString()))
  const before = await purgedRows(service.port)
  const startedAt = performance.now()
  await pause(TURN_MS)
  const rows = (await purgedRows(service.port)) - before
  const seconds = (performance.now() - startedAt) / 1_000
  measured.kill()
  await once(measured, 'close')
  const { others, p50, p99 } = JSON.parse(answers) as { others: number; p50: number; p99: number }
  if (others > 0) throw new Error(`${others} clicks were not counted`)
  return { p50, p99, rows: rows / seconds }
}

async function purgedRows(port: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^tallymark_minute_rows_purged_total (\d+)$/m.exec(metrics)?.[1])
}

function write(embedded: Turns, postgres: Turns): Promise<void> {
  const lines = [
    ['embedded', embedded, 'a minute of a banner'],
    ['Postgres', postgres, 'an hour of a banner'],
  ] as const
  return writeSection(
    'Giving up minutes',
    'npm run bench:retention',
    `\`RETENTION_MINUTES_DAYS=1\` on a year of ${BANNERS} banners with clicks in every minute of ${DAYS} days, while
${CLICKS_PER_SECOND.toLocaleString('en')} clicks a second are counted: ${ROUNDS} turns of ${TURN_MS / 1_000} s with and without it, in alternation. Milliseconds from a
click to its acknowledgement, each the median of the turns; the ratio is that of the p99 of neighbouring turns,
its median and the least and largest.

| | without: p50 | p99 | while minutes are given up: p50 | p99 | ratio of the p99 | rows deleted a second | a row |
|---|---|---|---|---|---|---|---|
${lines.map(([name, turns, row]) => `| ${name} | ${cells(turns)} | ${row} |`).join('\n')}`,
  )
}

function cells({ without, purging }: Turns): string {
  const ratios = purging
    .map(({ p99 }, index) => p99 / (without[index]?.p99 ?? NaN))
    .toSorted((a, b) => a - b)
  return [
    middle(without, ({ p50 }) => p50),
    middle(without, ({ p99 }) => p99),
    middle(purging, ({ p50 }) => p50),
    middle(purging, ({ p99 }) => p99),
    `${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)})`,
    Math.round(median(purging.map(({ rows }) => rows))).toLocaleString('en'),
  ].join(' | ')
}

function middle(turns: readonly Turn[], value: (turn: Turn) => number): string {
  return median(turns.map(value)).toFixed(1)
}
