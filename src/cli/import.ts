import { openStore } from '../open-store.ts'
import type { Config } from '../config.ts'
import { AppError, OperatorError, reasonOf } from '../errors.ts'
import type { ImportStore } from '../store/import-store.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import type { OriginalPage } from './original-counts.ts'
import { countOf } from './count-of.ts'
import { print } from './print.ts'

const SKIPPED_SHOWN_MAX = 20

interface Report {
  rows: number
  added: number
  addedMinutes: number
  unchangedMinutes: number
  readonly registered: number[]
  readonly skipped: string[]
}

export const importOriginal: Command = {
  name: 'import',
  summary: '--original: take over the counts of the original service',
  help: `Usage: tallymark import --original

Takes over what the original service has counted: its table banner_stats, from
ORIGINAL_DATABASE_URL, or from the Postgres that is the store. What was imported
before is not added again, so run it as often as you like while the original
still counts. The embedded database must not be in use. docs/migration.md says
more.

Example:
  ORIGINAL_DATABASE_URL=postgresql://localhost/old tallymark import --original
`,
  async run(args) {
    const { values } = parseArguments(args, { original: { type: 'boolean' } })
    if (values.original !== true) throw new UsageError('import needs --original')
    await print(textOf(await takeOver()))
    return 0
  },
}

async function takeOver(): Promise<Report> {
  const config = readCommandConfig()
  const original = originalOf(config)
  // Only here: the service with the embedded store does without the driver of Postgres.
  const { readOriginalCounts } = await import('./original-counts.ts')
  const { store, prepare } = await openStore(config)
  await using closing = new AsyncDisposableStack()
  closing.use(store)
  try {
    await prepare()
    return await importAll(store, readOriginalCounts(original))
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new OperatorError(
      `The import stopped: ${reasonOf(error)}. What was imported until then stays; run it again.`,
      { cause: error },
    )
  }
}

function originalOf({ original, store }: Config) {
  if (original !== undefined) return original
  if (store.kind === 'postgres') return store.connection
  throw new OperatorError(
    'Say where the table banner_stats is: set ORIGINAL_DATABASE_URL to the Postgres of the original.',
    { exitCode: 2 },
  )
}

async function importAll(store: ImportStore, pages: AsyncIterable<OriginalPage>): Promise<Report> {
  const report: Report = {
    rows: 0,
    added: 0,
    addedMinutes: 0,
    unchangedMinutes: 0,
    registered: [],
    skipped: [],
  }
  for await (const { rows, counts, skipped } of pages) {
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
    `Read ${countOf(rows, 'hour')} of banner_stats.`,
    `Added ${countOf(added, 'click')} in ${countOf(addedMinutes, 'minute')}; ${countOf(unchangedMinutes, 'minute')} had been imported before.`,
  ]
  if (registered.length > 0) {
    const ids = registered.join(', ')
    lines.push(`Registered ${countOf(registered.length, 'unknown banner')}: ${ids}.`)
  }
  if (skipped.length > 0) {
    lines.push(`Skipped, ${skipped.length} in all:`)
    lines.push(...skipped.slice(0, SKIPPED_SHOWN_MAX).map((what) => `  - ${what}`))
    if (skipped.length > SKIPPED_SHOWN_MAX) lines.push('  - and more')
  }
  return `${lines.join('\n')}\n`
}
