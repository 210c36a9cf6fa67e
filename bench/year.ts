// `npm run bench:year`: how long the questions of a dashboard take on a year of 100 banners with
// clicks in every minute, while 1,000 clicks a second are counted. Making the data takes minutes,
// and some gigabytes of disk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createDatabase } from '../test/support/database.ts'
import { startPostgres } from '../test/support/postgres.ts'
import {
  BANNERS,
  type Bytes,
  DAY_MS,
  DAYS,
  fillPostgres,
  fillSqlite,
  FIRST_DAY,
  LAST_DAY,
} from './past-year.ts'
import { median, quantile, say, writeSection } from './report.ts'
import { startServer } from './server.ts'

const CLICKS_PER_SECOND = 1_000
const REPEATS = 40
const PORT = 18_490
const agent = new Agent({ keepAlive: true })

interface Question {
  readonly name: string
  readonly goalMs: number
  readonly path: () => string
}

const YEAR = `tsFrom=${FIRST_DAY}&tsTo=${LAST_DAY}`
const QUESTIONS: readonly Question[] = [
  { name: 'a month by minute', goalMs: 50, path: () => `${anySeries()}?${anyMonth()}&step=minute` },
  { name: 'a year by day', goalMs: 20, path: () => `${anySeries()}?${YEAR}&step=day` },
  {
    name: 'a year by day in Kathmandu',
    goalMs: 20,
    path: () => `${anySeries()}?${YEAR}&step=day&tz=Asia/Kathmandu`,
  },
  { name: `a year’s totals of ${BANNERS} banners`, goalMs: 100, path: () => `/stats?${YEAR}` },
]

interface Measured {
  /** Milliseconds of each question's answers, sorted. */
  readonly taken: readonly number[][]
  readonly bytes: Bytes
}

const folder = mkdtempSync(join(tmpdir(), 'tallymark-year-'))
try {
  const embedded = await measureEmbedded()
  await write(embedded, await measureOnPostgres())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measureEmbedded(): Promise<Measured> {
  const settings = { DATA_DIR: folder }
  await (await serve(settings))[Symbol.asyncDispose]() // makes the schema
  const bytes = fillSqlite(join(folder, 'tallymark.sqlite'))
  return { taken: await measure(settings), bytes }
}

async function measureOnPostgres(): Promise<Measured> {
  await using postgres = await startPostgres({ isDurable: true })
  await using database = await createDatabase(postgres.url)
  const settings = { DATABASE_URL: database.url }
  await (await serve(settings))[Symbol.asyncDispose]()
  const bytes = await fillPostgres(database.url)
  return { taken: await measure(settings), bytes }
}

function serve(settings: Record<string, string>) {
  return startServer(PORT, ['run.mjs', 'dist/main.js'], {
    ...settings,
    PORT: String(PORT),
    LOG_LEVEL: 'warn',
  })
}

/** Milliseconds of each question's answers, sorted. */
async function measure(settings: Record<string, string>): Promise<number[][]> {
  await using service = await serve(settings)
  const load = spawn(process.execPath, ['bench/steady.ts', String(PORT), String(CLICKS_PER_SECOND)])
  let answers = ''
  load.stdout.on('data', (chunk: Buffer) => (answers += chunk.toString()))
  await pause(3_000)
  const results: number[][] = []
  for (const { name, path } of QUESTIONS) {
    const taken: number[] = []
    for (let repeat = 0; repeat < REPEATS; repeat += 1) {
      taken.push(await ask(`http://127.0.0.1:${service.port}${path()}`))
      await pause(50)
    }
    results.push(taken.toSorted((a, b) => a - b))
    say(name, { median: median(taken), slowest: Math.max(...taken) })
  }
  load.kill()
  await once(load, 'close')
  const { accepted, others } = JSON.parse(answers) as { accepted: number; others: number }
  say('clicks meanwhile', { accepted, others })
  if (others > 0) throw new Error(`${others} clicks were not counted`)
  return results
}

/** Milliseconds from the request to the last byte of the answer. */
function ask(url: string): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    // Not fetch: it takes milliseconds of its own for an answer of megabytes.
    const asked = get(url, { agent }, (answer) => {
      const isWhole = answer.statusCode === 200 && Number(answer.headers['tallymark-total']) > 0
      answer.resume()
      answer.on('end', () => {
        if (isWhole) resolve(performance.now() - startedAt)
        else reject(new Error(`no answer of ${url}`))
      })
    })
    asked.on('error', reject)
  })
}

function anySeries(): string {
  return `/stats/${1 + Math.floor(Math.random() * BANNERS)}`
}

function anyMonth(): string {
  const from = FIRST_DAY + Math.floor(Math.random() * (DAYS - 31)) * DAY_MS
  return `tsFrom=${from}&tsTo=${from + 31 * DAY_MS}`
}

function write(embedded: Measured, postgres: Measured): Promise<void> {
  const lines = QUESTIONS.map(
    ({ name, goalMs }, index) =>
      `| ${name} | ${goalMs} | ${cells(embedded.taken[index])} | ${cells(postgres.taken[index])} |`,
  )
  return writeSection(
    'Questions to a year of clicks',
    'npm run bench:year',
    `${BANNERS} banners with clicks in every minute of ${DAYS} days (${(BANNERS * DAYS * 1_440).toLocaleString('en')} of them), while ${CLICKS_PER_SECOND.toLocaleString('en')} clicks
a second are counted. Milliseconds from the request to the last byte of its answer, of ${REPEATS} each.

| | goal | embedded: median | p95 | slowest | on Postgres: median | p95 | slowest |
|---|---|---|---|---|---|---|---|
${lines.join('\n')}

The year takes ${gigabytes(embedded)} in the embedded store, and
${gigabytes(postgres)} on Postgres.`,
  )
}

function cells(sorted: readonly number[] = []): string {
  return [0.5, 0.95, 1].map((share) => quantile(sorted, share).toFixed(1)).join(' | ')
}

function gigabytes({ bytes }: Measured): string {
  const [all, minutes] = [bytes.all, bytes.minutes].map((each) => (each / 1e9).toFixed(2))
  return `${all} GB (${minutes} of them are its minutes)`
}
