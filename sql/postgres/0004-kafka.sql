-- Kafka as the click log: its partitions, who counts them, and the records that are no clicks.
-- Their positions stand in "positions", as those of writers do: the source of partition 3 of the topic
-- clicks is 'clicks/3', and its position is the offset of the next record to count.
-- Locks are taken in one order everywhere: the advisory ones, "members", a position, keys in order,
-- partitions by source.

-- complete_until: everything that was acknowledged before this instant is counted. It never goes back.
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
-- it last said so. has_left: it ended in an orderly way; then "seen" of an api is when it was last
-- acknowledged a click by the log, and it never will be again.
create table members (
  id uuid not null,
  role text not null check (role in ('api', 'aggregator')),
  seen bigint not null,
  has_left boolean not null default false,
  primary key (id, role)
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

-- Dead letters that are counted after all come like the batches of a source of their own.
insert into positions (source, next, instant) values ('dead-letters', 0, 0);
insert into merges (source, next) values ('dead-letters', 0);

-- Until when every answer is complete: while a partition is open, not beyond it. Not beyond this
-- transaction's beginning either: other processes may count without a log.
create function complete_until() returns bigint
  language sql stable parallel safe
  return least(shared_instant(), (select min(complete_until) from partitions where is_open));

-- Whether the open partitions are counted to their end, but for those of the topic "kept": whether
-- they are complete beyond the last click that any process can have acknowledged. One that did not
-- say that it ended may have gone on for a minute; one that did, by a clock that is not quite this one.
create function drain_state(kept text) returns json
  language sql stable
  return (
    select json_build_object(
      'instant', shared_instant(),
      'state', case
        when topic is null then 'none'
        when living = 0 and complete_until > coalesce(acknowledged_until, 0) then 'drained'
        else 'open'
      end,
      'topic', topic, 'topic_id', topic_id, 'living', living,
      'missing_ms', greatest(0, acknowledged_until - complete_until)
    )
    from (
      select min(topic) as topic, min(topic_id::text) as topic_id,
        min(complete_until) as complete_until
      from partitions where is_open and topic is distinct from kept
    ) as partitions, (
      select count(*) filter (where not has_left and seen > shared_instant() - 10000) as living,
        max(seen + case when has_left then 1000 else 60000 end) as acknowledged_until
      from members where role = 'api'
    ) as apis
  );

-- Closes the open partitions that drain_state speaks of, if they are drained; returns what it said.
create function close_partitions(kept text) returns json
  language plpgsql as $$
declare
  found json := drain_state(kept);
begin
  if found ->> 'state' = 'none' then
    return found;
  end if;
  perform pg_advisory_xact_lock(hashtext('tallymark partitions'));
  -- An api announces itself before it looks which partitions are open. So either it is seen here, or
  -- it waits, and then finds them closed.
  lock table members in share mode;
  found := drain_state(kept);
  if found ->> 'state' = 'drained' then
    perform from partitions where is_open and topic is distinct from kept
      order by source for update;
    update partitions set is_open = false, owner = null, lease_until = 0
    where is_open and topic is distinct from kept;
  end if;
  return found;
end
$$;

-- Registers a topic's partitions: the first time at "starts", later ones at 0, as nothing in them was
-- counted. Returns the topic's id if it is not the given one, or what drain_state says of another
-- topic that is not drained; then it changes nothing.
create function open_partitions(
  topic_name text, id uuid, starts bigint[], ends bigint[]
) returns json
  language plpgsql as $$
declare
  counted_id uuid;
  other json;
  is_known boolean;
  now_or_later bigint;
begin
  perform pg_advisory_xact_lock(hashtext('tallymark partitions'));
  select topic_id into counted_id from partitions
  where topic = topic_name and topic_id <> id order by number limit 1;
  if counted_id is not null then
    return json_build_object('instant', shared_instant(), 'counted_id', counted_id);
  end if;
  other := close_partitions(topic_name);
  if other ->> 'state' = 'open' then
    return json_build_object('instant', shared_instant(), 'other', other);
  end if;

  -- Nobody is acknowledged a click in a partition before it is open, so it is complete until it
  -- is: until now, which the transaction's beginning may be long before. And until whatever the
  -- others are, or a clock that went back would take completeness back.
  select count(*) > 0, greatest(
    floor(extract(epoch from clock_timestamp()) * 1000)::bigint, max(complete_until)
  ) into is_known, now_or_later
  from partitions where topic = topic_name;
  perform from partitions
  where topic = topic_name and not is_open and number < cardinality(starts)
    order by source for update;
  update partitions set is_open = true, complete_until = now_or_later
  where topic = topic_name and not is_open and number < cardinality(starts);

  with fresh as (
    select topic_name || '/' || place - 1 as source, (place - 1)::integer as number,
      case when is_known then 0 else start end as start,
      -- What a new topic of ours holds at first was acknowledged by others before, and is not counted.
      case when not is_known and start < ends[place] then 0 else now_or_later end as complete_until
    from unnest(starts) with ordinality as each (start, place)
    where not exists (select from partitions where topic = topic_name and number = place - 1)
  ), positioned as (
    insert into positions (source, next, instant) select source, start, now_or_later from fresh
  ), merged as (
    insert into merges (source, next) select source, start from fresh
  )
  insert into partitions (source, topic, number, topic_id, complete_until)
  select source, topic_name, number, id, complete_until from fresh;
  return json_build_object('instant', shared_instant());
end
$$;

-- Renews a process's leases of a topic's partitions, and divides them evenly among those who were seen
-- within a lease: gives back what is too much, takes what is free. Before it, raises complete_until
-- where the position has reached the end that the log had after that instant. A function, because each
-- of its statements sees what was committed before it began.
create function renew_leases(
  topic_name text, member uuid, lease_ms integer,
  mark_numbers integer[], mark_ends bigint[], mark_instants bigint[]
) returns json
  language plpgsql as $$
declare
  began bigint := shared_instant();
  living integer;
  rank integer;
  partition_count integer;
  fair integer;
begin
  insert into members (id, role, seen) values (member, 'aggregator', began)
  on conflict (id, role) do update set seen = began, has_left = false;

  perform from partitions
  where topic = topic_name and (number = any(mark_numbers) or owner = member)
  order by source for update;

  update partitions set complete_until = mark.instant
  from unnest(mark_numbers, mark_ends, mark_instants) as mark (number, log_end, instant), positions
  where topic = topic_name and partitions.number = mark.number
    and positions.source = partitions.source and positions.next >= mark.log_end
    and partitions.complete_until < mark.instant;

  -- Everybody goes by the same order of members, so what is fair adds up. Instants that lie further ahead
  -- than any lease are from before the clock went back: who set them may be gone.
  select count(*), count(*) filter (where id < member) into living, rank
  from members where role = 'aggregator' and not has_left
    and seen > began - lease_ms and seen < began + 10 * lease_ms;
  select count(*) into partition_count from partitions where topic = topic_name and is_open;
  fair := partition_count / living + (rank < partition_count % living)::integer;

  update partitions set
    owner = case when place <= fair then member end,
    lease_until = case when place <= fair then began + lease_ms else 0 end
  from (
    select source, row_number() over (order by number) as place
    from partitions where topic = topic_name and owner = member and is_open
  ) as own
  where partitions.source = own.source;

  with free as (
    select source from partitions
    where topic = topic_name and is_open
      and (lease_until < began or lease_until > began + 10 * lease_ms)
    order by source
    limit greatest(0, fair - (
      select count(*) from partitions where topic = topic_name and owner = member and is_open
    ))
    for update skip locked
  )
  update partitions set owner = member, lease_until = began + lease_ms
  from free where partitions.source = free.source;

  return (
    select json_build_object(
      'instant', began, 'members', living, 'partitions', count(*),
      'owned', coalesce(
        json_agg(json_build_object('number', number, 'next', next::text) order by number)
          filter (where owner = member),
        '[]'
      )
    )
    from partitions join positions using (source)
    where topic = topic_name and is_open
  );
end
$$;

-- Says where a topic is counted from: partition numbers[n] at nexts[n]. Partitions of a topic that
-- was made anew which are not named begin at 0 when they are opened again. Refuses ("state" is
-- 'unknown' or 'counting') while nothing is stored or somebody counts. complete_until stays: what was
-- acknowledged before it has been counted, wherever the next record to count is.
create function reset_positions(
  topic_name text, id uuid, numbers integer[], nexts bigint[]
) returns json
  language plpgsql as $$
declare
  began bigint := shared_instant();
  was_open boolean;
  now_or_later bigint;
begin
  perform pg_advisory_xact_lock(hashtext('tallymark partitions'));
  lock table members in share mode; -- whoever renews leases waits, and then learns the new positions
  select bool_or(is_open), greatest(
    floor(extract(epoch from clock_timestamp()) * 1000)::bigint, max(complete_until)
  ) into was_open, now_or_later
  from partitions where topic = topic_name;
  if was_open is null then
    return json_build_object('instant', began, 'state', 'unknown');
  end if;
  if exists (
    select from members where role = 'aggregator' and not has_left and seen > began - 10000
  ) or exists (select from partitions where topic = topic_name and lease_until > began) then
    return json_build_object('instant', began, 'state', 'counting');
  end if;

  -- Rows that are not merged yet must not stand beside those of the same positions that will come.
  perform pg_advisory_xact_lock(hashtext('tallymark counts'));
  perform from positions
  where source in (select source from partitions where topic = topic_name)
    order by source for update;
  while exists (
    select from partitions join merges using (source) join unmerged using (source)
    where topic = topic_name and unmerged.position >= merges.next
  ) loop
    perform merge_batches(20000, true);
  end loop;

  with target as (
    select source, coalesce(given.next, 0) as next
    from partitions left join unnest(numbers, nexts) as given (number, next) using (number)
    where topic = topic_name and (given.next is not null or topic_id <> id)
  ), moved as (
    update positions set next = target.next, batch_id = null
    from target where positions.source = target.source
  )
  update merges set next = target.next from target where merges.source = target.source;
  update partitions set
    is_open = is_open and (topic_id = id or number = any(numbers)),
    topic_id = id, owner = null, lease_until = 0
  where topic = topic_name;

  with fresh as (
    select topic_name || '/' || number as source, number, next
    from unnest(numbers, nexts) as given (number, next)
    where not exists (
      select from partitions
      where topic = topic_name and partitions.number = given.number
    )
  ), positioned as (
    insert into positions (source, next, instant) select source, next, now_or_later from fresh
  ), merged as (
    insert into merges (source, next) select source, next from fresh
  )
  insert into partitions (source, topic, number, topic_id, is_open, complete_until)
  select source, topic_name, number, id, was_open, now_or_later from fresh;
  return json_build_object('instant', began, 'state', 'reset');
end
$$;
