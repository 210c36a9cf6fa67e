import { openStore } from '../app.ts'
import { readConfig, type Config } from '../config.ts'
import { AppError, OperatorError, reasonOf } from '../errors.ts'
import { createLogger } from '../logger.ts'
import type { ImportStore } from '../store/import-store.ts'
import { readOriginalCounts } from './original-counts.ts'

const SKIPPED_SHOWN_MAX = 20

interface Report {
  rows: number
  added: number
  addedMinutes: number
  unchangedMinutes: number
  readonly registered: number[]
  readonly skipped: string[]
}

/** `tallymark import --original`: takes over what the original service has counted. Exit code. */
export async function importOriginal(): Promise<number> {
  const config = readConfig()
  const original = originalOf(config)
  const { store, prepare } = await openStore(config.store, createLogger(config.log))
  await using closing = new AsyncDisposableStack()
  closing.use(store)
  try {
    await prepare()
    process.stdout.write(textOf(await importAll(store, original)))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new OperatorError(
      `The import stopped: ${reasonOf(error)}. What was imported until then stays; run it again.`,
      { cause: error },
    )
  }
  return 0
}

function originalOf({ original, store }: Config) {
  if (original !== undefined) return { connectionString: original }
  if (store.kind === 'postgres') return store.connection
  throw new OperatorError(
    'Say where the table banner_stats is: set ORIGINAL_DATABASE_URL to the Postgres of the original.',
    { exitCode: 2 },
  )
}

async function importAll(
  store: ImportStore,
  original: Parameters<typeof readOriginalCounts>[0],
): Promise<Report> {
  const report: Report = {
    rows: 0,
    added: 0,
    addedMinutes: 0,
    unchangedMinutes: 0,
    registered: [],
    skipped: [],
  }
  for await (const { rows, counts, skipped } of readOriginalCounts(original)) {
    const outcome = await store.importCounts(counts)
    report.rows += rows
    report.added += outcome.added
    report.addedMinutes += counts.length - outcome.unchanged
    report.unchangedMinutes += outcome.unchanged
    report.registered.push(...outcome.registered)
    report.skipped.push(...skipped)
  }
  return report
}

function textOf({ rows, added, addedMinutes, unchangedMinutes, registered, skipped }: Report) {
  const lines = [
    `Read ${rows} hours of banner_stats.`,
    `Added ${added} clicks in ${addedMinutes} minutes; ${unchangedMinutes} minutes had been imported before.`,
  ]
  if (registered.length > 0) {
    lines.push(
      `Registered ${registered.length} banners that were not known: ${registered.join(', ')}.`,
    )
  }
  if (skipped.length > 0) {
    lines.push(`Skipped ${skipped.length} entries:`)
    lines.push(...skipped.slice(0, SKIPPED_SHOWN_MAX).map((what) => `  - ${what}`))
    if (skipped.length > SKIPPED_SHOWN_MAX) lines.push('  - and more')
  }
  return `${lines.join('\n')}\n`
}
