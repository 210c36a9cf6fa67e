// An answer's rows as JSON, CSV or NDJSON.
import { Readable } from 'node:stream'
import { stringify } from 'csv-stringify/sync'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Negotiator from 'negotiator'

const CONTENT_TYPES = {
  json: 'application/json; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
} as const
export type Format = keyof typeof CONTENT_TYPES
export const FORMATS = ['json', 'csv', 'ndjson'] as const satisfies readonly Format[]

// The first is what a reader gets who takes anything.
const ACCEPTED: Readonly<Record<string, Format>> = {
  'application/json': 'json',
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
}

/** Rows that become text at once: bounds how long the event loop is held. */
const ROWS_AT_ONCE = 1_000

export interface Answer {
  /** Everything but the rows, in the order in which JSON shows it. */
  readonly head: Readonly<Record<string, unknown>>
  /** The member of the JSON object that holds the rows. */
  readonly rowsAs: 'counts' | 'banners'
  readonly columns: readonly string[]
  /** Made while they are written: 100,000 of them are too many at once. */
  readonly rows: Iterable<Readonly<Record<string, unknown>>>
  /** They are not more than these. */
  readonly rowsMax: number
  readonly completeness: {
    readonly completeUntil: string
    readonly partial: boolean
    /** Where the range begins before it: from when on times are known to the minute. */
    readonly minutesFrom?: string
  }
  readonly total: number
}

/** What `Accept` prefers of the three; JSON where it knows none of them. */
export function acceptedFormat({ headers }: Pick<FastifyRequest, 'headers'>): Format {
  // By the types alone: who names the header line of a CSV, say, means CSV.
  const accept = headers.accept?.replaceAll(/;\s*(?!q=)[^=;,]+=(?:"[^"]*"|[^;,]*)/gi, '')
  const type = new Negotiator({ headers: { accept } }).mediaType(Object.keys(ACCEPTED))
  return ACCEPTED[type ?? ''] ?? 'json'
}

export function sendAnswer(reply: FastifyReply, format: Format, answer: Answer): FastifyReply {
  const pieces = textOf(answer, format)
  return sendPieces(reply.header('vary', 'Accept'), format, { ...answer, pieces })
}

/** The most important of the body stands in the headers of every format. */
export function sendPieces(
  reply: FastifyReply,
  format: Format,
  answer: Pick<Answer, 'completeness' | 'total' | 'rowsMax'> & {
    readonly pieces: Iterable<string>
  },
): FastifyReply {
  const { completeness, total, rowsMax, pieces } = answer
  return reply
    .headers({
      'content-type': CONTENT_TYPES[format],
      'cache-control': 'no-store',
      'tallymark-total': total,
      'tallymark-complete-until': completeness.completeUntil,
      'tallymark-partial': String(completeness.partial),
      ...(completeness.minutesFrom !== undefined && {
        'tallymark-minutes-from': completeness.minutesFrom,
      }),
    })
    .send(rowsMax > ROWS_AT_ONCE ? Readable.from(pieces) : [...pieces].join(''))
}

/** The body, in pieces. */
export function textOf(answer: Answer, format: Format): Iterable<string> {
  return WRITERS[format](answer)
}

const WRITERS: Readonly<Record<Format, (answer: Answer) => Iterable<string>>> = {
  json,
  csv,
  ndjson,
}

function* json({ head, rowsAs, rows, completeness, total }: Answer): Generator<string> {
  const [opening, closing] = [JSON.stringify({ ...head, total }), JSON.stringify(completeness)]
  yield `${opening.slice(0, -1)},"${rowsAs}":[`
  let separator = ''
  for (const some of chunksOf(rows)) {
    yield separator + JSON.stringify(some).slice(1, -1)
    separator = ','
  }
  yield `],${closing.slice(1)}`
}

/** RFC 4180. Names that a spreadsheet would take for a formula get a leading apostrophe. */
function* csv({ columns, rows }: Answer): Generator<string> {
  yield `${columns.join(',')}\r\n`
  for (const some of chunksOf(rows)) {
    yield stringify([...some], {
      columns: [...columns],
      record_delimiter: 'windows',
      escape_formulas: true,
      quoted_match: /[\r\n]/, // either alone begins a row somewhere
    })
  }
}

function* ndjson({ rows }: Answer): Generator<string> {
  for (const some of chunksOf(rows)) {
    yield some.map((row) => `${JSON.stringify(row)}\n`).join('')
  }
}

/** Of so many rows that making them text is quick. */
export function* chunksOf<T>(rows: Iterable<T>): Generator<readonly T[]> {
  let chunk: T[] = []
  for (const row of rows) {
    chunk.push(row)
    if (chunk.length < ROWS_AT_ONCE) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
