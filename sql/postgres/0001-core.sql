-- Counts, keys and positions of the Postgres store; one statement writes all three, the counts into
-- "unmerged" first. The three tables of counts always agree.
-- Slots (minute, quarter, day) are numbers of their unit since 1970 UTC: minute * 60 is Unix time.
-- Instants are Unix milliseconds. tally: 1 = click.

-- The clock of all processes, as it was when the transaction began, so before its first snapshot.
-- Not statement_timestamp(): the snapshot of a prepared statement is taken when it is bound, and the
-- timestamp when it is executed, which is a message later. Between the two a server that stalls lets
-- others commit.
create function shared_instant() returns bigint
  language sql stable parallel safe
  return floor(extract(epoch from transaction_timestamp()) * 1000)::bigint;

-- The count is in no index and pages keep room for new versions, so that updates are heap-only.
create table minute_counts (
  banner_id integer not null,
  tally smallint not null,
  minute integer not null,
  count bigint not null check (count > 0),
  primary key (banner_id, tally, minute)
) with (fillfactor = 90);
create index minute_counts_by_minute on minute_counts (minute);

create table quarter_counts (
  banner_id integer not null,
  tally smallint not null,
  quarter integer not null,
  count bigint not null check (count > 0),
  primary key (banner_id, tally, quarter)
) with (fillfactor = 80);
create index quarter_counts_by_quarter on quarter_counts (quarter);

create table day_counts (
  banner_id integer not null,
  tally smallint not null,
  day integer not null,
  count bigint not null check (count > 0),
  primary key (banner_id, tally, day)
) with (fillfactor = 50);
create index day_counts_by_day on day_counts (day);

-- hash: the first half of SHA-256 over tally, banner and key.
create table keys (
  banner_id integer not null,
  hash bytea not null check (length(hash) = 16),
  counted_at bigint not null,
  primary key (banner_id, hash)
);
create index keys_by_counted_at on keys (counted_at);

-- One row a source. next: where its next batch begins. batch_id: the last batch that was counted.
-- instant: the shared clock then, or later while the source is alive.
create table positions (
  source text primary key,
  next bigint not null,
  batch_id uuid,
  instant bigint not null
) with (fillfactor = 10);

-- The deltas of the latest batches: counted, and in every answer, but not yet merged into the tables
-- of counts. One row a batch, beginning at "position" of its source; the four arrays are columns of
-- equal length. Gone after a fraction of a second.
create table unmerged (
  source text not null,
  position bigint not null,
  next bigint not null,
  banner_ids integer[] not null,
  tallies smallint[] not null,
  minutes integer[] not null,
  counts integer[] not null,
  primary key (source, position)
);

-- One row a source: its batches from here on are not merged. Reads begin here instead of passing
-- the dead rows of "unmerged" that a long transaction elsewhere, such as a backup, keeps in place.
create table merges (
  source text primary key references positions on delete cascade,
  next bigint not null
) with (fillfactor = 10);

-- Every delta that is counted and not merged.
create view unmerged_deltas as
  select delta.banner_id, delta.tally, delta.minute, delta.count
  from merges
  join unmerged on unmerged.source = merges.source and unmerged.position >= merges.next
  cross join lateral unnest(banner_ids, tallies, minutes, counts)
    as delta (banner_id, tally, minute, count);

-- Merges the oldest of "unmerged", about deltas_max deltas, into the tables of counts, unless another
-- process is at it; returns how many deltas are left. A function, because each of its statements
-- sees what was committed before it began: the merge must not have a snapshot from before the lock.
-- And because a process that freezes can't hold the lock: the server does all of it.
create function merge_batches(deltas_max integer) returns bigint
  language plpgsql as $$
begin
  if pg_try_advisory_xact_lock(hashtext('tallymark counts')) then
    with waiting as (
      select unmerged.source, position, sum(cardinality(counts)) over oldest - cardinality(counts) as older
      from merges
      join unmerged on unmerged.source = merges.source and unmerged.position >= merges.next
      window oldest as (order by unmerged.source, position)
    ), taken as (
      delete from unmerged
      where (source, position) in (select source, position from waiting where older < deltas_max)
      returning source, next, banner_ids, tallies, minutes, counts
    ), moved as (
      update merges set next = latest.next
      from (select source, max(next) as next from taken group by source) as latest
      where merges.source = latest.source
    ), folded as materialized (
      select delta.banner_id, delta.tally, delta.minute, sum(delta.count) as count
      from taken
      cross join lateral unnest(banner_ids, tallies, minutes, counts)
        as delta (banner_id, tally, minute, count)
      group by delta.banner_id, delta.tally, delta.minute
    ), by_minute as (
      insert into minute_counts as stored (banner_id, tally, minute, count)
      select banner_id, tally, minute, count from folded
      order by banner_id, tally, minute
      on conflict (banner_id, tally, minute) do update set count = stored.count + excluded.count
    ), by_quarter as (
      insert into quarter_counts as stored (banner_id, tally, quarter, count)
      select banner_id, tally, minute / 15 as slot, sum(count) from folded
      group by banner_id, tally, slot
      order by banner_id, tally, slot
      on conflict (banner_id, tally, quarter) do update set count = stored.count + excluded.count
    )
    insert into day_counts as stored (banner_id, tally, day, count)
    select banner_id, tally, minute / 1440 as slot, sum(count) from folded
    group by banner_id, tally, slot
    order by banner_id, tally, slot
    on conflict (banner_id, tally, day) do update set count = stored.count + excluded.count;
  end if;
  return (select count(*) from unmerged_deltas);
end
$$;

-- version: the registry's version at the row's last change.
create table banners (
  id integer primary key check (id >= 1),
  name text not null,
  url text,
  status text not null check (status in ('active', 'paused', 'archived')),
  created_at bigint not null,
  version bigint not null
);
create index banners_by_version on banners (version);

-- A single row: the registry's version, and the id that the service gives out next. Who changes
-- banners locks it first, so that versions become visible in their order.
create table registry (
  singleton boolean primary key default true check (singleton),
  version bigint not null,
  next_id bigint not null
);
insert into registry (version, next_id) values (0, 1);
