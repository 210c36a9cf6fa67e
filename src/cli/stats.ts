import { visitStore } from '../open-store.ts'
import { BANNER_ID_MAX, parseBannerId } from '../banner.ts'
import { AppError } from '../errors.ts'
import { textOf } from '../query/formats.ts'
import { answerSeries } from '../query/stats-handlers.ts'
import { parseSeriesQuery, type SeriesQuery } from '../query/stats-query.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { print } from './print.ts'
import { seriesText } from './series-text.ts'

export const stats: Command = {
  name: 'stats',
  summary: "show a banner's clicks: a table with bars, JSON or CSV",
  help: `Usage: tallymark stats <banner> [options]

Shows the clicks of a banner as GET /stats/<banner> does, also while the service
is stopped. In a terminal each count has a bar, piped it is plain text.

  --from <time>  RFC 3339 with an offset, or Unix time (an hour before --to)
  --to <time>    the same (now)
  --step <step>  minute, hour, day, week or month (minute)
  --tz <zone>    IANA name of the zone in which steps begin (UTC)
  --fill zero    show steps without clicks, too
  --json, --csv  print what the service answers with format=json, format=csv

Example:
  tallymark stats 42 --from 2026-11-01T00:00:00Z --step day --tz Europe/Berlin

  Banner 42: Banner 42
  2026-11-01T00:00:00+01:00 to 2026-11-03T00:00:00+01:00 by day, Europe/Berlin

  2026-11-01T00:00:00+01:00  1204  ████████████████████████████████████████████
  2026-11-02T00:00:00+01:00   611  ██████████████████████▎
`,
  run,
}

const USUAL_COLUMNS = 80
const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  step: { type: 'string' },
  tz: { type: 'string' },
  fill: { type: 'string' },
  json: { type: 'boolean' },
  csv: { type: 'boolean' },
} as const

type Values = ReturnType<typeof parseArguments<typeof OPTIONS>>['values']

async function run(args: readonly string[]): Promise<number> {
  const { values, operands } = parseArguments(args, OPTIONS, ['<banner>'])
  const bannerId = bannerIdOf(operands[0] ?? '')
  if (values.json && values.csv) throw new UsageError('--json and --csv exclude each other')
  const config = readCommandConfig()
  queryOf(values, Date.now) // what is wrong in the words is said before the store is asked
  await using store = await visitStore(config.store, { writes: false })
  const query = queryOf(values, () => store.clock.now())
  const parts = { counts: store, banners: store, ackTimeoutMs: config.ackTimeoutMs }
  const answer = await answerSeries(parts, bannerId, query)
  if (values.csv) await print(textOf(answer, 'csv'))
  else if (values.json) await print(textOf(answer, 'json'))
  else await print(seriesText(answer, terminalColumns()))
  // The body ends without a new line, and the next prompt would stand behind it.
  if (values.json && process.stdout.isTTY) await print('\n')
  return 0
}

function bannerIdOf(text: string): number {
  const id = parseBannerId(text)
  if (id !== undefined) return id
  throw new UsageError(
    `${JSON.stringify(text)} is not a banner id, an integer from 1 to ${BANNER_ID_MAX}`,
  )
}

/** The rules and defaults are those of the service. */
function queryOf({ from, to, step, tz, fill }: Values, now: () => number): SeriesQuery {
  const given = Object.entries({ tsFrom: from, tsTo: to, step, tz, fill }).filter(
    ([, value]) => value !== undefined,
  )
  try {
    return parseSeriesQuery({ query: Object.fromEntries(given), body: {}, now })
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw new UsageError(inOptions(error), { cause: error })
  }
}

/** What is wrong, in the names of options. */
function inOptions({ message, errors }: AppError): string {
  return errors === undefined
    ? message.replaceAll(/\bts(?:From|To)\b/g, optionOf).replace(/\.$/, '')
    : errors.map((each) => `${optionOf(each.field)} ${each.message}`).join('; ')
}

/** `--from` of `tsFrom` */
function optionOf(parameter: string): string {
  return `--${parameter.replace(/^ts(?=[A-Z])/, '').toLowerCase()}`
}

/** Undefined: stdout is no terminal. */
function terminalColumns(): number | undefined {
  const { isTTY, columns } = process.stdout
  return isTTY ? columns || USUAL_COLUMNS : undefined
}
