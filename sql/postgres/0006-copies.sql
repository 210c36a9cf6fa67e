-- Which database this is; a restored backup keeps it.
create table installation (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid()
);
insert into installation default values;

-- What "tallymark copy" has taken over of other installations ("source"): copying them again adds only
-- what they have gained. Beside what they had imported themselves, which is in "imported_counts" of both.

-- version: of the banner's row at the source when it was taken over.
create table copied_banners (
  source uuid not null,
  banner_id integer not null,
  version bigint not null,
  primary key (source, banner_id)
);

-- As in minute_counts and quarter_counts. Each is remembered by itself: a source may have forgotten
-- minutes whose quarters it still has.
create table copied_minutes (
  source uuid not null,
  banner_id integer not null,
  hour integer not null,
  counts integer[] not null check (cardinality(counts) = 60),
  primary key (source, banner_id, hour)
);
create table copied_quarters (
  source uuid not null,
  banner_id integer not null,
  day integer not null,
  counts integer[] not null check (cardinality(counts) = 96),
  primary key (source, banner_id, day)
);

-- The sums of two rows of counts, place by place.
create function sum_of_counts(one integer[], other integer[]) returns integer[]
  language sql immutable parallel safe
  return (
    select array_agg(a + b order by place)
    from unnest(one, other) with ordinality as each (a, b, place)
  );
