import type { Aggregate, Delta, KeyedClick } from '../count-store.ts'
import { MINUTE_MS } from '../../minute.ts'
import { codeOf } from '../rows.ts'
import type { Statement } from './connections.ts'

/**
 * Counts a batch: position, keys and deltas in one statement, which is one round trip and one
 * transaction. Where the position is not where the batch begins nothing is written. Returns
 * `is_moved`, and `instant` as every statement for the clock.
 */
export function commitBatch({ span, deltas, keyed }: Aggregate, instant: number): Statement {
  const position = [span.source, String(span.from), String(span.to), span.batchId, instant]
  const values = [...position, ...deltaColumns(deltas)]
  return keyed.length === 0
    ? { name: 'commit', text: COMMIT, values }
    : { name: 'commit_keyed', text: COMMIT_KEYED, values: [...values, ...keyColumns(keyed)] }
}

/**
 * The id of the last batch that was counted at a source. Asked after a lost compare-and-set, by a
 * statement of its own: the first one's snapshot is older than the row that it lost to.
 */
export function lastBatchId(source: string): Statement {
  return {
    name: 'last_batch_id',
    text: 'select batch_id, shared_instant()::float8 as instant from positions where source = $1',
    values: [source],
  }
}

const MOVED = `moved as (
    update positions
    set next = $3, batch_id = $4, instant = greatest(instant, $5)
    where source = $1 and next = $2
    returning source
  )`

const RESULT = `select exists (select from moved) as is_moved, shared_instant()::float8 as instant`

const COMMIT = `
  with ${MOVED}, counted as (
    insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
    select source, $2, $3, $6::int[], $7::smallint[], $8::int[], $9::int[] from moved
  )
  ${RESULT}`

// Keys are inserted in one order in every process: without it two batches with the same keys
// would wait for each other.
const COMMIT_KEYED = `
  with ${MOVED}, keyed as (
    select distinct on (banner_id, hash) banner_id, decode(hex, 'hex') as hash, tally, minute
    from moved, unnest($10::int[], $11::text[], $12::smallint[], $13::int[])
      as keyed (banner_id, hex, tally, minute)
    order by banner_id, hash, minute
  ), remembered as (
    insert into keys (banner_id, hash, counted_at)
    select banner_id, hash, $5 from keyed order by banner_id, hash
    on conflict do nothing
    returning banner_id, hash
  ), fresh as (
    select array_agg(banner_id) as banner_ids, array_agg(tally) as tallies,
      array_agg(minute) as minutes, array_agg(1) as counts
    from remembered join keyed using (banner_id, hash)
  ), counted as (
    insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
    select source, $2, $3, $6::int[] || banner_ids, $7::smallint[] || tallies,
      $8::int[] || minutes, $9::int[] || counts
    from moved, fresh
  )
  ${RESULT}`

/** Columns as array literals: the driver would quote each number. */
function deltaColumns(deltas: readonly Delta[]): string[] {
  return [
    literal(deltas.map(({ bannerId }) => bannerId)),
    literal(deltas.map(({ tally }) => codeOf(tally))),
    literal(deltas.map(({ minute }) => minute / MINUTE_MS)),
    literal(deltas.map(({ count }) => count)),
  ]
}

function keyColumns(keyed: readonly KeyedClick[]): string[] {
  return [
    literal(keyed.map(({ bannerId }) => bannerId)),
    literal(keyed.map(({ keyHash }) => Buffer.from(keyHash).toString('hex'))),
    literal(keyed.map(({ tally }) => codeOf(tally))),
    literal(keyed.map(({ minute }) => minute / MINUTE_MS)),
  ]
}

/** Numbers and hexadecimal digits need no quotes. */
function literal(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`
}
