-- What was imported of other systems' counts: importing them again adds only what they have gained.
create table imported_counts (
  banner_id integer not null,
  minute integer not null,
  count integer not null,
  primary key (banner_id, minute)
);

-- Imported counts come like the batches of a source of their own.
insert into positions (source, next, instant) values ('import:original', 0, 0);
insert into merges (source, next) values ('import:original', 0);
