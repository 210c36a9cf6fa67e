-- Kafka as the click log: its partitions, who counts them, and the records that are no clicks.
-- Their positions stand in "positions", as those of writers do: the source of partition 3 of the topic
-- clicks is 'clicks/3', and its position is the offset of the next record to count.

-- complete_until: everything that was acknowledged before this instant lies below the position.
-- lease_until, owner: who should count it, and until when. Nothing depends on it but double work.
-- is_open: clicks may come this way, so no answer is complete beyond complete_until.
create table partitions (
  source text primary key references positions,
  topic text not null,
  number integer not null,
  topic_id uuid not null,
  is_open boolean not null default true,
  owner uuid,
  lease_until bigint not null default 0,
  complete_until bigint not null,
  unique (topic, number)
) with (fillfactor = 10);

-- Processes that put clicks into the log ("api") or count them ("aggregator"). seen: the shared clock when
-- it last said so. has_left: it ended in an orderly way; then "seen" is when it was last acknowledged a
-- click by the log, and it will never be again.
create table members (
  id uuid primary key,
  role text not null check (role in ('api', 'aggregator')),
  seen bigint not null,
  has_left boolean not null default false
) with (fillfactor = 10);

-- Records of a partition that could not be counted. position: the record's offset.
create table dead_letters (
  id bigint generated always as identity primary key,
  source text not null,
  topic_id uuid not null,
  position bigint not null,
  found_at bigint not null,
  reason text not null,
  bytes bytea not null,
  unique (source, topic_id, position)
);

-- Renews a process's leases of a topic's partitions, and divides them evenly among those who were seen within a
-- lease: gives back what is too much, takes what is free. Before it, raises complete_until where
-- the position has reached the end that the log had at that instant. A function, because each of its
-- statements sees what was committed before it began.
-- Rows are locked in the order of their sources everywhere.
create function renew_leases(
  topic_name text, member uuid, lease_ms integer,
  mark_sources text[], mark_ends bigint[], mark_instants bigint[]
) returns json
  language plpgsql as $$
declare
  instant bigint := shared_instant();
  living integer;
  fair integer;
  held integer;
begin
  insert into members (id, role, seen) values (member, 'aggregator', instant)
  on conflict (id) do update set seen = greatest(members.seen, instant);

  with locked as (
    select source from partitions where source = any(mark_sources) order by source for update
  )
  update partitions set complete_until = mark.instant
  from unnest(mark_sources, mark_ends, mark_instants) as mark (source, log_end, instant)
  join positions using (source) join locked using (source)
  where partitions.source = mark.source and next >= mark.log_end
    and partitions.complete_until < mark.instant;

  select greatest(1, count(*)) into living from members
  where role = 'aggregator' and not has_left and seen > instant - lease_ms;
  select ceil(count(*)::numeric / living) into fair from partitions
  where topic = topic_name and is_open;

  with locked as (
    select source, row_number() over (order by number) as place from (
      select source, number from partitions
      where topic = topic_name and owner = member and is_open order by source for update
    ) as own
  )
  update partitions set
    owner = case when place <= fair then member end,
    lease_until = case when place <= fair then instant + lease_ms else 0 end
  from locked where partitions.source = locked.source;
  select count(*) into held from partitions
  where topic = topic_name and owner = member and is_open;

  with free as (
    select source from partitions
    where topic = topic_name and is_open and lease_until < instant
    order by source limit greatest(0, fair - held)
    for update skip locked
  )
  update partitions set owner = member, lease_until = instant + lease_ms
  from free where partitions.source = free.source;

  return (
    select json_build_object(
      'instant', instant, 'members', living, 'partitions', count(*),
      'owned', coalesce(
        json_agg(json_build_array(number, next::text) order by number)
          filter (where owner = member),
        '[]'
      )
    )
    from partitions join positions using (source)
    where topic = topic_name and is_open
  );
end
$$;
