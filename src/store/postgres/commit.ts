import { MINUTE_MS } from '../../minute.ts'
import type { Aggregate, Delta, KeyedClick, SuspectRecord } from '../count-store.ts'
import { codeOf } from '../rows.ts'
import type { Statement } from './connections.ts'

/**
 * Counts a batch: position, keys and deltas in one statement, which is one round trip and one
 * transaction; of a partition also suspects and until when it is complete. Where the position is not
 * where the batch begins nothing is written. Returns `is_moved`, how many clicks with keys or of suspects
 * were `fresh`, how many suspects were `dead_letters`, and `instant` as every statement for the clock.
 */
export function commitBatch(aggregate: Aggregate, instant: number): Statement {
  const { span, deltas, keyed, suspects } = aggregate
  const position = [span.source, String(span.from), String(span.to), span.batchId, instant]
  const values = [...position, ...deltaColumns(deltas)]
  if (suspects.length > 0 || span.completeUntil !== undefined) {
    const rest = [...keyColumns(keyed), ...suspectColumns(suspects), span.completeUntil]
    return { name: 'commit_partition', text: COMMIT_PARTITION, values: [...values, ...rest] }
  }
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

const FRESH = `(select coalesce(cardinality(counts), 0) from fresh) as fresh`

const COMMIT = `
  with ${MOVED}, counted as (
    insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
    select source, $2, $3, $6::int[], $7::smallint[], $8::int[], $9::int[] from moved
    where cardinality($9::int[]) > 0
  )
  ${RESULT}`

const KEYED = `unnest($10::int[], $11::text[], $12::smallint[], $13::int[])
      as keyed (banner_id, hex, tally, minute)`

// Keys are inserted in one order in every process: without it two batches with the same keys
// would wait for each other.
const REMEMBERED = `remembered as (
    insert into keys (banner_id, hash, counted_at)
    select banner_id, hash, $5 from keyed order by banner_id, hash
    on conflict do nothing
    returning banner_id, hash
  )`

const COUNTED = `counted as (
    insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
    select source, $2, $3, $6::int[] || banner_ids, $7::smallint[] || tallies,
      $8::int[] || minutes, $9::int[] || counts
    from moved, fresh
    where cardinality($9::int[] || counts) > 0
  )`

const COMMIT_KEYED = `
  with ${MOVED}, keyed as (
    select distinct on (banner_id, hash) banner_id, decode(hex, 'hex') as hash, tally, minute
    from moved, ${KEYED}
    order by banner_id, hash, minute
  ), ${REMEMBERED}, fresh as (
    select array_agg(banner_id) as banner_ids, array_agg(tally) as tallies,
      array_agg(minute) as minutes, array_agg(1) as counts
    from remembered join keyed using (banner_id, hash)
  ), ${COUNTED}
  ${RESULT}, ${FRESH}`

// This statement alone may say that a banner is not known: who counts may not know of it yet. It
// takes the partition's row after all keys ("fresh" has them): renew_leases holds such rows while
// it waits for others, so whoever has one must wait for nothing more.
const COMMIT_PARTITION = `
  with ${MOVED}, suspects as (
    select suspect.*, id is not null as is_click
    from moved, unnest(
      $14::bigint[], $15::text[], $16::text[], $17::int[], $18::smallint[], $19::int[], $20::text[]
    ) as suspect (position, bytes, reason, banner_id, tally, minute, hex)
    left join banners on id = suspect.banner_id
  ), keyed as (
    select distinct on (banner_id, hash) banner_id, decode(hex, 'hex') as hash, tally, minute
    from (
      select keyed.* from moved, ${KEYED}
      union all
      select banner_id, hex, tally, minute from suspects where is_click and hex is not null
    ) as given
    order by banner_id, hash, minute
  ), ${REMEMBERED}, fresh as (
    select array_agg(banner_id) as banner_ids, array_agg(tally) as tallies,
      array_agg(minute) as minutes, array_agg(1) as counts
    from (
      select banner_id, tally, minute from remembered join keyed using (banner_id, hash)
      union all
      select banner_id, tally, minute from suspects where is_click and hex is null
    ) as clicks
  ), ${COUNTED}, dead as (
    insert into dead_letters (source, topic_id, position, found_at, reason, bytes)
    select $1, (select topic_id from partitions where source = $1), position, $5, reason,
      decode(bytes, 'hex')
    from suspects where not is_click
    order by position
    on conflict do nothing
    returning id
  ), marked as (
    update partitions set complete_until = $21
    from moved, fresh
    where partitions.source = moved.source and complete_until < $21::bigint
  )
  ${RESULT}, ${FRESH},
    (select count(*) from suspects where not is_click)::int as dead_letters`

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
    literal(keyed.map(({ keyHash }) => hexOf(keyHash))),
    literal(keyed.map(({ tally }) => codeOf(tally))),
    literal(keyed.map(({ minute }) => minute / MINUTE_MS)),
  ]
}

function suspectColumns(suspects: readonly SuspectRecord[]): unknown[] {
  return [
    suspects.map(({ position }) => String(position)),
    suspects.map(({ bytes }) => hexOf(bytes)),
    suspects.map(({ reason }) => cleanReason(reason)),
    ...slotColumns(suspects.map(({ click }) => click)),
  ]
}

/** What suspects count as: banner, tally, minute and key, where there is one. */
export function slotColumns(clicks: readonly SuspectRecord['click'][]): unknown[] {
  return [
    clicks.map((click) => click?.bannerId),
    clicks.map((click) => click && codeOf(click.tally)),
    clicks.map((click) => click && click.minute / MINUTE_MS),
    clicks.map((click) => click?.keyHash && hexOf(click.keyHash)),
  ]
}

const REASON_CHARACTERS_MAX = 200

/** Reasons may quote a record: Postgres takes no NUL and no half characters, a terminal no controls. */
export function cleanReason(reason: string): string {
  // Cut before it is cleaned: the cut may leave half a character.
  return reason.slice(0, REASON_CHARACTERS_MAX).replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '')
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** Numbers and hexadecimal digits need no quotes. */
function literal(values: readonly (number | string)[]): string {
  return `{${values.join(',')}}`
}
