-- Which database this is; a restored backup keeps it.
create table installation (
  singleton integer primary key check (singleton = 1),
  id text not null
) strict;
insert into installation (singleton, id) values (1, lower(hex(randomblob(16))));

-- What "tallymark copy" has taken over of other installations ("source"): copying them again adds only
-- what they have gained. Beside what they had imported themselves, which is in "imported_counts" of both.

-- version: of the banner's row at the source when it was taken over.
create table copied_banners (
  source text not null,
  banner_id integer not null,
  version integer not null,
  primary key (source, banner_id)
) strict, without rowid;

-- Each is remembered by itself: a source may have forgotten minutes whose quarters it still has.
create table copied_minutes (
  source text not null,
  banner_id integer not null,
  minute integer not null,
  count integer not null,
  primary key (source, banner_id, minute)
) strict, without rowid;
create table copied_quarters (
  source text not null,
  banner_id integer not null,
  quarter integer not null,
  count integer not null,
  primary key (source, banner_id, quarter)
) strict, without rowid;
