import { isUtf8 } from 'node:buffer'
import { OperatorError } from '../errors.ts'
import type { DeadLetter } from '../log/kafka/dead-letters.ts'
import { visitDeadLetters, type DeadLettersVisit } from '../visit-log.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { isConfirmed } from './confirm.ts'
import { countOf } from './count-of.ts'
import { print, printable } from './print.ts'
import { textTable } from './text-table.ts'

export const deadLetters: Command = {
  name: 'dead-letters',
  summary: 'list, retry or drop records that could not be counted',
  help: `Usage: tallymark dead-letters list [--limit <n>] [--json]
       tallymark dead-letters retry <id>... | --all
       tallymark dead-letters drop <id>... | --all [--yes]

Records of the Kafka topic that are no clicks, or of banners that were not known
when it was their turn, are kept here. "retry" counts those that can be counted
now, for instance since their banner was added; the others stay. "drop" forgets
them for good, and asks first.

  --limit <n>  how many to list, the oldest first (100)
  --json       list as JSON, with all that the records hold
  --all        every one there is
  --yes        do not ask

Exit code: 0, or 1 if a record that was to be counted is still a dead letter, or
if an id is none; then nothing is done.

Example:
  tallymark banners add "Autumn sale" --id 4711
  tallymark dead-letters retry --all
`,
  async run([action, ...args]) {
    switch (action) {
      case 'list':
        return list(args)
      case 'retry':
        return retry(args)
      case 'drop':
        return drop(args)
      case undefined:
        throw new UsageError('say what to do: list, retry or drop')
      default:
        throw new UsageError(`${JSON.stringify(action)} is neither list, retry nor drop`)
    }
  },
}

const LISTED = 100
const LISTED_MAX = 100_000
/** Records may have a megabyte. */
const PAGE_LETTERS = 50
const DROPPED_AT_ONCE = 1_000
const CONTENTS_CHARACTERS_MAX = 60

async function list(args: readonly string[]): Promise<number> {
  const { values } = parseArguments(args, { limit: { type: 'string' }, json: { type: 'boolean' } })
  const limit = limitOf(values.limit)
  await using visit = await visitDeadLetters(readCommandConfig())
  if (values.json === true) {
    for await (const part of jsonOf(visit, limit)) if (!(await print(part))) break
    return 0
  }
  const rows: string[][] = []
  for await (const letter of letters(visit, limit)) rows.push(rowOf(letter))
  const count = await visit.count()
  if (rows.length > 0) await print(`${textTable(COLUMNS, rows).join('\n')}\n\n`)
  const more = rows.length < count ? `, of which the first ${rows.length} are shown` : ''
  await print(`${countOf(count, 'dead letter')}${more}\n`)
  return 0
}

const COLUMNS = [
  { heading: 'id', isNumber: true },
  { heading: 'partition' },
  { heading: 'offset', isNumber: true },
  { heading: 'found' },
  { heading: 'reason' },
  { heading: 'record' },
]

function rowOf({ id, source, offset, foundAt, reason, bytes }: DeadLetter): string[] {
  const found = new Date(foundAt).toISOString()
  return [String(id), source, String(offset), found, printable(reason), contentsOf(bytes)]
}

/** Its beginning, for the eye. */
function contentsOf(bytes: Uint8Array): string {
  const beginning = Buffer.from(bytes.subarray(0, CONTENTS_CHARACTERS_MAX)).toString()
  return printable(beginning) + (bytes.length > CONTENTS_CHARACTERS_MAX ? '...' : '')
}

async function* letters(
  visit: Pick<DeadLettersVisit, 'list'>,
  limit: number,
): AsyncGenerator<DeadLetter> {
  for (let [left, after] = [limit, 0]; left > 0;) {
    const page = await visit.list({ after, limit: Math.min(left, PAGE_LETTERS) })
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_LETTERS) return
    after = last.id
    left -= page.length
  }
}

async function* jsonOf(visit: DeadLettersVisit, limit: number): AsyncGenerator<string> {
  yield '{"deadLetters":['
  let separator = ''
  for await (const { id, source, offset, foundAt, reason, bytes } of letters(visit, limit)) {
    const record = isUtf8(bytes)
      ? { record: Buffer.from(bytes).toString() }
      : { recordBase64: Buffer.from(bytes).toString('base64') }
    const found = new Date(foundAt).toISOString()
    const letter = { id, partition: source, offset: Number(offset), found, reason, ...record }
    yield separator + JSON.stringify(letter)
    separator = ','
  }
  yield `],"count":${await visit.count()}}\n`
}

async function retry(args: readonly string[]): Promise<number> {
  const { ids } = whichOf(args, false)
  await using visit = await visitDeadLetters(readCommandConfig())
  await checkIds(visit, ids)
  const { counted, duplicates, left } = await visit.retry(ids)
  const lines = [`Counted ${counted}; ${left} could not be.`]
  if (duplicates > 0) lines.push(`Clicks that had been counted before by their key: ${duplicates}.`)
  lines.push(`${countOf(await visit.count(), 'dead letter')} left.`)
  await print(`${lines.join('\n')}\n`)
  return left > 0 ? 1 : 0
}

async function drop(args: readonly string[]): Promise<number> {
  const { ids, isSaid } = whichOf(args, true)
  await using visit = await visitDeadLetters(readCommandConfig())
  await checkIds(visit, ids)
  const count = ids === 'all' ? await visit.count() : ids.length
  await print(`${countOf(count, 'dead letter')} would be forgotten, and never be counted.\n`)
  if (!(await isConfirmed(isSaid))) return 1
  const dropped = ids === 'all' ? await dropAll(visit) : await visit.drop(ids)
  await print(`Dropped ${dropped}.\n`)
  return 0
}

async function checkIds(
  visit: Pick<DeadLettersVisit, 'missing'>,
  ids: readonly number[] | 'all',
): Promise<void> {
  const missing = ids === 'all' ? [] : await visit.missing(ids)
  if (missing.length === 0) return
  throw new OperatorError(
    `No dead letter has the id ${missing.join(', ')}; "tallymark dead-letters list" shows which there are.`,
  )
}

async function dropAll(visit: Pick<DeadLettersVisit, 'list' | 'drop'>): Promise<number> {
  let dropped = 0
  let ids: number[] = []
  const dropThese = async (): Promise<void> => {
    dropped += await visit.drop(ids)
    ids = []
  }
  for await (const { id } of letters(visit, Infinity)) {
    ids.push(id)
    if (ids.length === DROPPED_AT_ONCE) await dropThese()
  }
  await dropThese()
  return dropped
}

/** Ids, each once, or all. */
function whichOf(
  args: readonly string[],
  mayConfirm: boolean,
): { readonly ids: readonly number[] | 'all'; readonly isSaid: boolean | undefined } {
  const options = { all: { type: 'boolean' }, yes: { type: 'boolean' } } as const
  const { values, operands } = parseArguments(args, options, [], 'many')
  if (values.yes === true && !mayConfirm) throw new UsageError("unknown option '--yes'")
  if (values.all === true && operands.length > 0)
    throw new UsageError('give ids or --all, not both')
  if (values.all === true) return { ids: 'all', isSaid: values.yes }
  if (operands.length === 0) throw new UsageError('say which: ids, or --all')
  const ids = operands.map((operand) => {
    if (/^[1-9]\d{0,14}$/.test(operand)) return Number(operand)
    throw new UsageError(`${JSON.stringify(operand)} is not the id of a dead letter`)
  })
  return { ids: [...new Set(ids)], isSaid: values.yes }
}

function limitOf(text = String(LISTED)): number {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (limit >= 1 && limit <= LISTED_MAX) return limit
  throw new UsageError(`--limit must be an integer from 1 to ${LISTED_MAX}`)
}
