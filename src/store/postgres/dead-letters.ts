import { keyHash, type Click } from '../../click.ts'
import {
  UNREGISTERED,
  type DeadLetter,
  type DeadLetterStore,
  type Retried,
} from '../../log/kafka/dead-letters.ts'
import { floorTo, MINUTE_MS } from '../../minute.ts'
import { cleanReason, slotColumns } from './commit.ts'
import type { Connections, Row, Statement } from './connections.ts'

const SOURCE = 'dead-letters'
/** Of records of up to a megabyte. */
const PAGE_LETTERS = 50

interface DeadLettersOptions {
  readonly connections: Pick<Connections, 'query'>
  readonly now: () => number
  /** Told how many deltas are to be merged. */
  readonly onCounted: (deltas: number) => void
}

/** The dead letters in Postgres. */
export class PostgresDeadLetters implements DeadLetterStore {
  readonly #options: DeadLettersOptions

  constructor(options: DeadLettersOptions) {
    this.#options = options
  }

  async list({ after = 0, limit }: { readonly after?: number; readonly limit: number }) {
    const rows = await this.#options.connections.query(listLetters(after, limit))
    return rows.map(letterOf)
  }

  async count(): Promise<number> {
    const [row] = await this.#options.connections.query({
      text: 'select count(*)::float8 as letters from dead_letters',
    })
    return Number(row?.['letters'])
  }

  async missing(ids: readonly number[]): Promise<readonly number[]> {
    const rows = await this.#options.connections.query({
      text: `
        select id::float8 as id from unnest($1::bigint[]) as given (id)
        where not exists (select from dead_letters where dead_letters.id = given.id)
        order by given.id`,
      values: [ids],
    })
    return rows.map((row) => Number(row['id']))
  }

  async retry(
    decode: (bytes: Uint8Array) => Click | string,
    ids: readonly number[] | 'all',
  ): Promise<Retried> {
    const sum = { counted: 0, duplicates: 0, left: 0 }
    const add = ({ counted, duplicates, left }: Retried): void => {
      sum.counted += counted
      sum.duplicates += duplicates
      sum.left += left
    }
    if (ids === 'all') {
      let page = await this.list({ limit: PAGE_LETTERS })
      for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
        add(await this.#retry(decode, page))
        page = await this.list({ after: last.id, limit: PAGE_LETTERS })
      }
      return sum
    }
    for (let at = 0; at < ids.length; at += PAGE_LETTERS) {
      const some = findLetters(ids.slice(at, at + PAGE_LETTERS))
      add(await this.#retry(decode, (await this.#options.connections.query(some)).map(letterOf)))
    }
    return sum
  }

  async drop(ids: readonly number[]): Promise<number> {
    const [row] = await this.#options.connections.query(dropLetters(ids))
    return Number(row?.['dropped'])
  }

  async #retry(
    decode: (bytes: Uint8Array) => Click | string,
    letters: readonly DeadLetter[],
  ): Promise<Retried> {
    const read = letters.map(({ id, bytes }) => ({ id, reading: decode(bytes) }))
    const { connections, now, onCounted } = this.#options
    const [row] = await connections.query(countLetters(read, now()))
    const outcome = {
      counted: Number(row?.['counted']),
      duplicates: Number(row?.['taken']) - Number(row?.['counted']),
      left: Number(row?.['left']),
    }
    if (outcome.counted > 0) onCounted(outcome.counted)
    return outcome
  }
}

const COLUMNS = `id::float8 as id, source, position::text as position,
      found_at::float8 as found_at, reason, bytes`

function listLetters(after: number, limit: number): Statement {
  return {
    text: `select ${COLUMNS} from dead_letters where id > $1 order by dead_letters.id limit $2`,
    values: [after, limit],
  }
}

function findLetters(ids: readonly number[]): Statement {
  return { text: `select ${COLUMNS} from dead_letters where id = any($1)`, values: [ids] }
}

function letterOf(row: Row): DeadLetter {
  return {
    id: Number(row['id']),
    source: String(row['source']),
    offset: BigInt(String(row['position'])),
    foundAt: Number(row['found_at']),
    reason: String(row['reason']),
    bytes: row['bytes'] as Uint8Array, // the driver makes a Buffer of bytea
  }
}

function dropLetters(ids: readonly number[]): Statement {
  return {
    text: `
      with dropped as (delete from dead_letters where id = any($1) returning id)
      select count(*)::int as dropped from dropped`,
    values: [ids],
  }
}

interface ReadLetter {
  readonly id: number
  readonly reading: Click | string
}

/**
 * Counts what reads as a click of a registered banner, and gives the others their new reasons, in one
 * statement: a process that freezes holds no lock. That a letter is there to be deleted is the
 * compare-and-set: of two attempts at once, and of one whose answer was lost, one finds it. The source
 * is moved first, which makes them take turns. Returns how many letters were `taken` and are `left`,
 * and how many clicks were `counted`.
 */
function countLetters(letters: readonly ReadLetter[], instant: number): Statement {
  return {
    text: COUNT_LETTERS,
    values: [
      SOURCE,
      instant,
      letters.map(({ id }) => id),
      letters.map(reasonOf),
      ...slotColumns(letters.map(slotOf)),
    ],
  }
}

const COUNT_LETTERS = `
  with moved as (
    update positions set next = next + 1, instant = greatest(instant, $2)
    where source = $1
    returning source, next
  ), given as (
    select given.*, banners.id is not null as is_click
    from moved, unnest(
      $3::bigint[], $4::text[], $5::int[], $6::smallint[], $7::int[], $8::text[]
    ) as given (letter, reason, banner_id, tally, minute, hex)
    left join banners on banners.id = given.banner_id
  ), taken as (
    delete from dead_letters using given
    where id = letter and is_click
    returning banner_id, tally, minute, decode(hex, 'hex') as hash
  ), explained as (
    update dead_letters set reason = given.reason from given
    where id = letter and not is_click
    returning id
  ), keyed as (
    select distinct on (banner_id, hash) banner_id, hash, tally, minute from taken
    where hash is not null
    order by banner_id, hash, minute
  ), remembered as (
    insert into keys (banner_id, hash, counted_at)
    select banner_id, hash, $2 from keyed order by banner_id, hash
    on conflict do nothing
    returning banner_id, hash
  ), clicks as (
    select banner_id, tally, minute from remembered join keyed using (banner_id, hash)
    union all
    select banner_id, tally, minute from taken where hash is null
  ), batch as (
    insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
    select min(source), min(next) - 1, min(next), array_agg(banner_id), array_agg(tally),
      array_agg(minute), array_agg(1)
    from moved, clicks
    having count(*) > 0
  )
  select (select count(*) from taken)::int as taken, (select count(*) from clicks)::int as counted,
    (select count(*) from explained)::int as left`

/** Of a letter that is not counted: a click is not only if its banner was never registered. */
function reasonOf({ reading }: ReadLetter): string {
  return typeof reading === 'string' ? cleanReason(reading) : UNREGISTERED
}

function slotOf({ reading }: ReadLetter) {
  if (typeof reading === 'string') return undefined
  const { bannerId, tally, at, key } = reading
  const slot = { bannerId, tally, minute: floorTo(at, MINUTE_MS) }
  return key === undefined ? slot : { ...slot, keyHash: keyHash(bannerId, tally, key) }
}
