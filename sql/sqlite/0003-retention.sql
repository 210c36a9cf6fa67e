-- A single row. minutes_from: before this minute, the first of a UTC day, the rows of minute_counts are gone or
-- will be, and nobody reads them; the tables of quarters and days hold what they held, and agree with each
-- other alone. 0: every minute is kept. It only goes forward, and does before a row is deleted.
create table retention (
  singleton integer primary key check (singleton = 1),
  minutes_from integer not null check (minutes_from % 1440 = 0)
) strict;
insert into retention (singleton, minutes_from) values (1, 0);
