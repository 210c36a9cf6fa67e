-- What was imported of other systems' counts: importing them again adds only what they have gained.
create table imported_counts (
  banner_id integer not null,
  minute integer not null,
  count integer not null,
  primary key (banner_id, minute)
) strict, without rowid;
