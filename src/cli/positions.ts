import { OperatorError } from '../errors.ts'
import {
  movesTo,
  waitingOf,
  type Move,
  type Position,
  type Positions,
  type StoredPositions,
  type Target,
} from '../log/kafka/positions.ts'
import { waitingText } from '../log/kafka/topic-checks.ts'
import { visitPositions } from '../visit-log.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { isConfirmed } from './confirm.ts'
import { print } from './print.ts'
import { textTable } from './text-table.ts'

export const positions: Command = {
  name: 'positions',
  summary: 'show how far the click log is counted, or count from elsewhere',
  help: `Usage: tallymark positions show [--json]
       tallymark positions reset [--to <where> | --partition <n> --offset <o>]
                                 [--yes]

"show" says of each partition of the Kafka topic how far it is counted, what the
log has, and how many records wait. "reset" has it counted from elsewhere: it
prints which records are then never counted, or counted again, and asks first.
Stop every process with ROLE=all or ROLE=aggregator before. Counted again means
counted twice, but for clicks with an idempotency key that is remembered.

  --to stored    as far as the log still has it, else nearest to it (default)
  --to earliest  everything that the log has
  --to latest    only what comes from now on
  --partition <n> --offset <o>
                 the record that comes next in one partition
  --yes          do not ask
  --json         show as JSON

Example:
  tallymark positions reset --to earliest
`,
  async run([action, ...args]) {
    switch (action) {
      case 'show':
        return show(args)
      case 'reset':
        return reset(args)
      case undefined:
        throw new UsageError('say what to do: show or reset')
      default:
        throw new UsageError(`${JSON.stringify(action)} is neither show nor reset`)
    }
  },
}

const ANOTHER_TOPIC =
  'The topic was deleted and made anew since it was counted: what was not counted of the old one is lost.'
const CLOSED =
  'The topic is closed: another one, or none, has taken its place. A start with it goes on from here.'
const NO_TOPIC = 'The brokers have no topic of this name.'

async function show(args: readonly string[]): Promise<number> {
  const { values } = parseArguments(args, { json: { type: 'boolean' } })
  await using visit = await visitPositions(readCommandConfig())
  const found = await visit.read()
  await print(values.json === true ? jsonOf(found) : shownOf(visit.label, found))
  return 0
}

function shownOf(label: string, found: StoredPositions): string {
  const { topicId, isAnotherTopic, isClosed, partitions } = found
  const lines = [label, '']
  if (topicId === undefined) lines.push(NO_TOPIC, '')
  else if (isAnotherTopic) lines.push(ANOTHER_TOPIC, '')
  if (isClosed) lines.push(CLOSED, '')
  const columns = [
    { heading: 'partition', isNumber: true },
    { heading: 'position', isNumber: true },
    { heading: 'log start', isNumber: true },
    { heading: 'log end', isNumber: true },
    { heading: 'waiting', isNumber: true },
    { heading: 'complete until' },
  ]
  const rows = partitions.map((position) => [
    String(position.number),
    cellOf(position.next),
    cellOf(position.range?.start),
    cellOf(position.range?.end),
    isAnotherTopic ? '-' : String(waitingOf(position)),
    timeOf(position.completeUntil) ?? '-',
  ])
  if (rows.length > 0) lines.push(...textTable(columns, rows), '')
  if (topicId !== undefined && !isAnotherTopic) {
    lines.push(waitingText(sumOf(partitions)))
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function jsonOf({ topicId, isAnotherTopic, isClosed, partitions }: StoredPositions): string {
  const json = {
    topicId: topicId ?? null,
    isAnotherTopic,
    isClosed,
    partitions: partitions.map((position) => ({
      partition: position.number,
      position: numberOf(position.next),
      logStart: numberOf(position.range?.start),
      logEnd: numberOf(position.range?.end),
      waiting: isAnotherTopic ? null : Number(waitingOf(position)),
      completeUntil: timeOf(position.completeUntil) ?? null,
    })),
  }
  return `${JSON.stringify(json)}\n`
}

const RESET_OPTIONS = {
  to: { type: 'string' },
  partition: { type: 'string' },
  offset: { type: 'string' },
  yes: { type: 'boolean' },
} as const

type ResetValues = ReturnType<typeof parseArguments<typeof RESET_OPTIONS>>['values']

async function reset(args: readonly string[]): Promise<number> {
  const { values } = parseArguments(args, RESET_OPTIONS)
  const target = targetOf(values)
  await using visit = await visitPositions(readCommandConfig())
  const found = await visit.read()
  const moves = plannedMoves(target, found)
  if (moves.length === 0 && found.topicId !== undefined) {
    await print('Nothing is to be changed: every position is there already.\n')
    return 0
  }
  await print(planOf(visit.label, found, moves))
  if (!(await isConfirmed(values.yes))) return 1
  await visit.reset(moves)
  await print('The positions are reset; start the processes that count.\n')
  return 0
}

function plannedMoves(target: Target, found: Positions): Move[] {
  try {
    return movesTo(target, found)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new OperatorError(`That cannot be: ${error.message}.`, { cause: error })
  }
}

function planOf(label: string, found: Positions, moves: readonly Move[]): string {
  const { topicId, isAnotherTopic, partitions } = found
  const lines = [label, '']
  if (topicId === undefined) {
    lines.push(NO_TOPIC, 'A new one is made; what was not counted of the old one is lost.', '')
  } else if (isAnotherTopic) lines.push(ANOTHER_TOPIC, '')
  const rows =
    topicId === undefined
      ? partitions.map(({ number, next }) => [String(number), cellOf(next), '0', ''])
      : moves.map(({ number, from, to, effect }) => [
          String(number),
          cellOf(from),
          String(to),
          effect ?? '',
        ])
  lines.push(...textTable(MOVE_COLUMNS, rows), '')
  if (moves.some(({ effect }) => effect?.endsWith('again') === true)) {
    lines.push(
      'Counted again is counted twice, but for clicks whose idempotency key is still remembered.',
      '',
    )
  }
  return `${lines.join('\n')}\n`
}

const MOVE_COLUMNS = [
  { heading: 'partition', isNumber: true },
  { heading: 'position', isNumber: true },
  { heading: 'new', isNumber: true },
  { heading: 'offsets' },
]

function targetOf({ to, partition, offset }: ResetValues): Target {
  if (partition === undefined && offset === undefined) {
    switch (to) {
      case undefined:
        return { kind: 'stored' }
      case 'stored':
      case 'earliest':
      case 'latest':
        return { kind: to }
      default:
        throw new UsageError('--to must be one of stored, earliest, latest')
    }
  }
  if (to !== undefined) throw new UsageError('--to is for all partitions, --offset for one')
  if (partition === undefined || offset === undefined) {
    throw new UsageError('--partition and --offset belong together')
  }
  if (!/^\d{1,6}$/.test(partition)) throw new UsageError('--partition must be an integer')
  if (!/^\d{1,18}$/.test(offset)) throw new UsageError('--offset must be an integer')
  return { kind: 'offset', number: Number(partition), offset: BigInt(offset) }
}

function sumOf(partitions: readonly Position[]): bigint {
  return partitions.reduce((sum, position) => sum + waitingOf(position), 0n)
}

function numberOf(offset: bigint | undefined): number | null {
  return offset === undefined ? null : Number(offset)
}

function cellOf(offset: bigint | undefined): string {
  return offset === undefined ? '-' : String(offset)
}

function timeOf(instant: number | undefined): string | undefined {
  return instant === undefined ? undefined : new Date(instant).toISOString()
}
