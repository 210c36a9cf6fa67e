-- Counts, keys and positions of the embedded store; one transaction writes all three, the counts
-- into "unmerged" first. The three tables of counts always agree.
-- Slots (minute, quarter, day) are numbers of their unit since 1970 UTC: minute * 60 is Unix time.
-- tally: 1 = click.

create table minute_counts (
  banner_id integer not null,
  tally integer not null,
  minute integer not null,
  count integer not null check (count > 0),
  primary key (banner_id, tally, minute)
) strict, without rowid;
create index minute_counts_by_minute on minute_counts (minute);

create table quarter_counts (
  banner_id integer not null,
  tally integer not null,
  quarter integer not null,
  count integer not null check (count > 0),
  primary key (banner_id, tally, quarter)
) strict, without rowid;
create index quarter_counts_by_quarter on quarter_counts (quarter);

create table day_counts (
  banner_id integer not null,
  tally integer not null,
  day integer not null,
  count integer not null check (count > 0),
  primary key (banner_id, tally, day)
) strict, without rowid;
create index day_counts_by_day on day_counts (day);

-- The deltas of the latest batches, packed: counted, and in every answer, but not yet merged into the
-- tables above. One row a batch, gone after a fraction of a second.
create table unmerged (
  id integer primary key,
  deltas blob not null
) strict;

-- hash: the first half of SHA-256 over tally, banner and key. counted_at: Unix milliseconds.
create table keys (
  banner_id integer not null,
  hash blob not null check (length(hash) = 16),
  counted_at integer not null,
  primary key (banner_id, hash)
) strict, without rowid;
create index keys_by_counted_at on keys (counted_at);

-- One row a source. batch_id: the last batch that was counted. instant: the shared clock then.
create table positions (
  source text primary key,
  next integer not null,
  batch_id text,
  instant integer not null
) strict, without rowid;

-- version: the registry's version at the row's last change.
create table banners (
  id integer primary key check (id between 1 and 2147483647),
  name text not null,
  url text,
  status text not null check (status in ('active', 'paused', 'archived')),
  created_at integer not null,
  version integer not null
) strict;
create index banners_by_version on banners (version);

-- A single row: the registry's version, and the id that the service gives out next.
create table registry (
  singleton integer primary key check (singleton = 1),
  version integer not null,
  next_id integer not null
) strict;
insert into registry (singleton, version, next_id) values (1, 0, 1);
