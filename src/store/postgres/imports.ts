import { MINUTE_MS } from '../../minute.ts'
import type { ImportedCount, ImportOutcome } from '../import-store.ts'
import { codeOf } from '../rows.ts'
import type { Connections, Statement } from './connections.ts'

const SOURCE = 'import:original'

/** See ImportStore. Adds the counts as a batch of a source of their own, which is merged like any. */
export function importCounts(
  connections: Connections,
  counts: readonly ImportedCount[],
  instant: number,
): Promise<ImportOutcome> {
  return connections.transaction(async (query) => {
    // Two imports at once take turns here; the second one then sees what the first has added.
    const [position] = await query(advance(instant))
    const next = Number(position?.['next'])
    const [registered] = await query(registerBanners(counts, instant))
    const [outcome] = await query(addCounts(counts, next))
    return {
      added: Number(outcome?.['added']),
      unchanged: Number(outcome?.['unchanged']),
      registered: registered?.['ids'] as number[], // made by json_agg below
    }
  })
}

function advance(instant: number): Statement {
  return {
    text: `
      update positions set next = next + 1, instant = greatest(instant, $2)
      where source = $1
      returning next::float8 as next`,
    values: [SOURCE, instant],
  }
}

/** Returns the ids of banners that were not known, `ids`. */
function registerBanners(counts: readonly ImportedCount[], instant: number): Statement {
  return {
    text: `
      with missing as (
        select distinct id from unnest($1::int[]) as given (id)
        where not exists (select from banners where banners.id = given.id)
      ), changed as (
        update registry set version = version + 1 where exists (select from missing)
        returning version
      ), added as (
        insert into banners (id, name, status, created_at, version)
        select id, 'Banner ' || id, 'active', $2, version from missing, changed
        on conflict do nothing
        returning id
      )
      select coalesce(json_agg(id order by id), '[]') as ids from added`,
    values: [counts.map(({ bannerId }) => bannerId), instant],
  }
}

/** Returns how many clicks were `added`, and how many minutes are `unchanged`. */
function addCounts(counts: readonly ImportedCount[], next: number): Statement {
  return {
    text: `
      with given as (
        select * from unnest($4::int[], $5::int[], $6::int[]) as given (banner_id, minute, count)
      ), fresh as (
        select banner_id, minute, given.count - coalesce(imported_counts.count, 0) as count
        from given left join imported_counts using (banner_id, minute)
        where given.count > coalesce(imported_counts.count, 0)
      ), remembered as (
        insert into imported_counts as stored (banner_id, minute, count)
        select banner_id, minute, count from fresh
        on conflict (banner_id, minute) do update set count = stored.count + excluded.count
      ), batch as (
        insert into unmerged (source, position, next, banner_ids, tallies, minutes, counts)
        select $1, $2::bigint - 1, $2, array_agg(banner_id), array_agg($3::smallint),
          array_agg(minute), array_agg(count)
        from fresh having count(*) > 0
      )
      select coalesce(sum(count), 0)::float8 as added,
        (select count(*) from given)::int - count(*)::int as unchanged
      from fresh`,
    values: [
      SOURCE,
      next,
      codeOf('click'),
      counts.map(({ bannerId }) => bannerId),
      counts.map(({ minute }) => minute / MINUTE_MS),
      counts.map(({ count }) => count),
    ],
  }
}
