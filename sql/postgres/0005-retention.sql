-- A single row. minutes_from: before this minute, the first of a UTC day, the rows of minute_counts are gone or
-- will be, and nobody reads them; the tables of quarters and days hold what they held, and agree with each
-- other alone. 0: every minute is kept. It only goes forward, and does in a transaction of its own before a row
-- is deleted. Who deletes waits for no lock: rows that others hold are left for the next time.
create table retention (
  singleton boolean primary key default true check (singleton),
  minutes_from integer not null check (minutes_from % 1440 = 0)
) with (fillfactor = 10);
insert into retention (minutes_from) values (0);
