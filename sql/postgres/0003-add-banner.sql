-- Registers a banner, or none: where its id was ever used, and where it has no id and none is left.
-- Without an id it gets the next one of the service's own counter, which skips ids that callers gave.
-- A function, because its statements see what was committed before they began: the search for a
-- free id must not have a snapshot from before the lock.
create function add_banner(draft json, instant bigint) returns setof banners
  language plpgsql as $$
declare
  locked registry;
  new_id bigint := draft ->> 'id';
begin
  update registry set version = version + 1 returning * into locked;
  if new_id is null then
    new_id := locked.next_id;
    if exists (select from banners where id = new_id) then
      select id::bigint + 1 into new_id from banners as used
      where id >= locked.next_id
        and not exists (select from banners where id = used.id::bigint + 1)
      order by id limit 1;
    end if;
    if new_id > 2147483647 then
      return;
    end if;
    update registry set next_id = new_id + 1;
  end if;
  return query
    insert into banners (id, name, url, status, created_at, version)
    values (
      new_id, draft ->> 'name', draft ->> 'url', draft ->> 'status', instant, locked.version
    )
    on conflict do nothing
    returning *;
end
$$;
