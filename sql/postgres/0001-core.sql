-- Counts, keys and positions of the Postgres store; one statement writes all three, the counts into
-- "unmerged" first. The three tables of counts always agree.
-- Minutes, hours and days are numbered since 1970 UTC: minute * 60 is Unix time.
-- Instants are Unix milliseconds. tally: 1 = click.

-- The clock of all processes, as it was when the transaction began, so before its first snapshot.
-- Not statement_timestamp(): the snapshot of a prepared statement is taken when it is bound, and the
-- timestamp when it is executed, which is a message later. Between the two a server that stalls lets
-- others commit.
create function shared_instant() returns bigint
  language sql stable parallel safe
  return floor(extract(epoch from transaction_timestamp()) * 1000)::bigint;

-- A row holds the minutes of an hour: a row a minute would take ten times the space, and a month of a
-- banner 44,640 rows among those of all others. Counts are in no index and pages keep room for new
-- versions, so that updates are heap-only.
create table minute_counts (
  banner_id integer not null,
  tally smallint not null,
  hour integer not null,
  counts integer[] not null check (cardinality(counts) = 60),
  primary key (banner_id, tally, hour)
) with (fillfactor = 70);
create index minute_counts_by_hour on minute_counts (hour);

-- A row holds the quarters of an hour of a UTC day.
create table quarter_counts (
  banner_id integer not null,
  tally smallint not null,
  day integer not null,
  counts integer[] not null check (cardinality(counts) = 96),
  primary key (banner_id, tally, day)
) with (fillfactor = 70);
create index quarter_counts_by_day on quarter_counts (day);

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

-- For people: every minute of every banner, merged or not.
create view counts_by_minute as
  select banner_id, tally, minute, sum(count) as count
  from (
    select banner_id, tally, hour * 60 + place::integer - 1 as minute, count
    from minute_counts cross join lateral unnest(counts) with ordinality as each (count, place)
    where count > 0
    union all
    select banner_id, tally, minute, count from unmerged_deltas
  ) as parts
  group by banner_id, tally, minute;

-- Zeros, but for one count; places begin at 0.
create function counts_with(size integer, place integer, count integer) returns integer[]
  language sql immutable parallel safe
  return array_fill(0, array[place]) || count || array_fill(0, array[size - place - 1]);

-- Adds the deltas of one minute to the tables of counts.
create function add_minute(
  minute integer, banner_ids integer[], tallies smallint[], deltas integer[]
) returns void
  language plpgsql as $$
declare
  utc_day integer := minute / 1440;
  place integer := minute % 60 + 1;
  quarter_place integer := minute / 15 % 96 + 1;
begin
  insert into minute_counts as stored (banner_id, tally, hour, counts)
  select banner_id, tally, minute / 60, counts_with(60, place - 1, count)
  from unnest(banner_ids, tallies, deltas) as delta (banner_id, tally, count)
  on conflict (banner_id, tally, hour) do update
    set counts[place] = stored.counts[place] + excluded.counts[place];

  insert into quarter_counts as stored (banner_id, tally, day, counts)
  select banner_id, tally, utc_day, counts_with(96, quarter_place - 1, count)
  from unnest(banner_ids, tallies, deltas) as delta (banner_id, tally, count)
  on conflict (banner_id, tally, day) do update
    set counts[quarter_place] = stored.counts[quarter_place] + excluded.counts[quarter_place];

  insert into day_counts as stored (banner_id, tally, day, count)
  select banner_id, tally, utc_day, count
  from unnest(banner_ids, tallies, deltas) as delta (banner_id, tally, count)
  on conflict (banner_id, tally, day) do update set count = stored.count + excluded.count;
end
$$;

-- Merges the oldest of "unmerged", about deltas_max deltas, into the tables of counts; returns how many
-- are left. One process at a time: another one waits for its turn, or leaves it at that. A function, because each of its statements
-- sees what was committed before it began: the merge must not have a snapshot from before the lock.
-- And because a process that freezes can't hold the lock: the server does all of it.
create function merge_batches(deltas_max integer, waits boolean) returns bigint
  language plpgsql as $$
declare
  folded record;
begin
  if waits then
    perform pg_advisory_xact_lock(hashtext('tallymark counts'));
  end if;
  if pg_try_advisory_xact_lock(hashtext('tallymark counts')) then
    -- Sorted by minute: the deltas of each stand side by side.
    with waiting as (
      select unmerged.source, position,
        sum(cardinality(counts)) over oldest - cardinality(counts) as older
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
    ), sums as (
      select delta.minute, delta.banner_id, delta.tally, sum(delta.count)::integer as count
      from taken
      cross join lateral unnest(banner_ids, tallies, minutes, counts)
        as delta (banner_id, tally, minute, count)
      group by delta.minute, delta.banner_id, delta.tally
      order by delta.minute, delta.banner_id, delta.tally
    )
    select array_agg(minute) as minutes, array_agg(banner_id) as banner_ids,
      array_agg(tally) as tallies, array_agg(count) as counts
    into folded
    from sums;

    perform add_minute(
      minute, folded.banner_ids[first:last], folded.tallies[first:last], folded.counts[first:last]
    )
    from (
      select minute, min(place)::integer as first, max(place)::integer as last
      from unnest(folded.minutes) with ordinality as each (minute, place)
      group by minute
    ) as minutes;
  end if;
  return (
    select coalesce(sum(cardinality(counts)), 0)
    from merges
    join unmerged on unmerged.source = merges.source and unmerged.position >= merges.next
  );
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
