import type { Statement } from './connections.ts'

/** Registers a source, once. */
export function openSource(source: string, from: bigint, instant: number): Statement {
  return {
    text: `
      with opened as (
        insert into positions (source, next, instant) values ($1, $2, $3)
        on conflict do nothing
        returning source, next
      )
      insert into merges (source, next) select source, next from opened`,
    values: [source, String(from), instant],
  }
}

/** Where the next batch of a source begins, `next`. By a statement of its own, as of lastBatchId. */
export function nextOf(source: string): Statement {
  return { text: 'select next::text as next from positions where source = $1', values: [source] }
}

/**
 * Keeps the sources of a process from being forgotten, and stores its clock: one that starts later
 * must not be behind it. Returns `latest`, the last instant that any process has stored.
 */
export function keepAlive(sources: readonly string[], instant: number): Statement {
  return {
    name: 'keep_alive',
    text: `
      with alive as (
        update positions set instant = greatest(instant, $2) where source = any($1::text[])
      )
      select shared_instant()::float8 as instant, greatest(
        (select max(instant) from positions), (select max(complete_until) from partitions)
      )::float8 as latest`,
    values: [sources, instant],
  }
}

/** `latest` of what processes have stored, and the `instant` of the database. */
export function lastInstant(): Statement {
  return {
    text: `
      select shared_instant()::float8 as instant, greatest(
        (select max(instant) from positions), (select max(complete_until) from partitions)
      )::float8 as latest`,
  }
}

/**
 * Forgets writers that were last seen before `before`, but for this process's own, and unless a batch
 * of theirs is not merged.
 */
export function forgetWriters(before: number, own: readonly string[]): Statement {
  return {
    name: 'forget_writers',
    text: `
      delete from positions
      where source like 'writer:%' and instant < $1 and source <> all($2::text[]) and not exists (
        select from merges
        join unmerged on unmerged.source = merges.source and unmerged.position >= merges.next
        where merges.source = positions.source
      )`,
    values: [before, own],
  }
}

/**
 * Forgets aggregators that were last seen before `aggregatorsBefore`, and apis that were before `apisBefore`,
 * unless a click of theirs may not be counted yet (see drain_state).
 */
export function forgetMembers(aggregatorsBefore: number, apisBefore: number): Statement {
  return {
    name: 'forget_members',
    text: `
      delete from members
      where role = 'aggregator' and seen < $1
        or role = 'api' and seen < $2 and not exists (
          select from partitions where is_open and complete_until <= seen + 60000
        )`,
    values: [aggregatorsBefore, apisBefore],
  }
}

/** Forgets up to `limit` keys, see CountStore; returns how many as `purged`. */
export function purgeKeys(retentionMs: number, limit: number): Statement {
  return {
    name: 'purge_keys',
    // Another process may be at the same keys: it has its own.
    text: `
      with old as (
        select banner_id, hash from keys
        where counted_at < (select complete_until()) - $1::bigint
        order by counted_at limit $2
        for update skip locked
      ), purged as (
        delete from keys using old
        where keys.banner_id = old.banner_id and keys.hash = old.hash
        returning 1
      )
      select count(*)::int as purged from purged`,
    values: [retentionMs, limit],
  }
}

/** Moves the minute from which on minutes are kept, see CountStore. Of several processes the first one does. */
export function giveUpMinutes(retentionMs: number): Statement {
  return {
    name: 'give_up_minutes',
    text: `
      update retention set minutes_from = kept.minute
      from (
        select floor((complete_until() - $1::bigint) / 86400000.0)::integer * 1440 as minute
      ) as kept
      where minutes_from < kept.minute`,
    values: [retentionMs],
  }
}

/**
 * Deletes up to `limit` rows of minutes that are given up, of the hour `fromHour` or later; returns how many
 * as `purged`, and the latest of their hours as `hour`.
 */
export function purgeMinutes(fromHour: number, limit: number): Statement {
  return {
    name: 'purge_minutes',
    // As in purgeKeys. So no merge is waited for either, and a merge waits for one such statement at most.
    text: `
      with old as (
        select banner_id, tally, hour from minute_counts
        where hour >= $1 and hour < (select minutes_from / 60 from retention)
        order by hour limit $2
        for update skip locked
      ), purged as (
        delete from minute_counts using old
        where minute_counts.banner_id = old.banner_id and minute_counts.tally = old.tally
          and minute_counts.hour = old.hour
        returning minute_counts.hour
      )
      select count(*)::int as purged, max(hour) as hour from purged`,
    values: [fromHour, limit],
  }
}

/** The first with functions whose body is SQL. */
export const VERSION_MIN = 14

/** What the service needs to know of the server: `version`, `is_standby`, `fsync`. */
export function inspectServer(): Statement {
  return {
    text: `
      select current_setting('server_version_num')::int as version,
        current_setting('server_version') as version_name,
        pg_is_in_recovery() as is_standby,
        current_setting('server_encoding') as encoding,
        current_setting('fsync') as fsync`,
  }
}
