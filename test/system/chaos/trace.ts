// What the database did, written down by triggers in the transactions that did it.
import { setTimeout as pause } from 'node:timers/promises'
import { runSql } from '../../support/database.ts'

const POLL_MS = 50

/** A stretch of a partition that was counted in one transaction. */
export interface TracedSpan {
  readonly partition: number
  readonly from: bigint
  readonly to: bigint
}

/** Everything acknowledged before `until` lies below `next`, says the database. */
export interface TracedMark {
  readonly partition: number
  readonly until: number
  readonly next: bigint
}

export class Trace {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  /** After the schema is made, before the first click. */
  async install(): Promise<void> {
    await runSql(this.#url, INSTALL)
  }

  /**
   * Waits until each of so many partitions was counted after an instant, and they are divided among so
   * many aggregators: one that hangs would go unnoticed, as the others count for it.
   */
  async untilCounted(
    { partitions, aggregators }: { readonly partitions: number; readonly aggregators: number },
    after: number,
    timeoutMs: number,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const rows = await runSql(
        this.#url,
        `select number, owner from partitions
         where lease_until > shared_instant() and exists (
           select from chaos_spans where source = partitions.source and at > $1::bigint
         )`,
        [after],
      )
      const owners = new Set(rows.map(({ owner }) => owner)).size
      if (rows.length >= partitions && owners === aggregators) return
      if (performance.now() > deadline) {
        const counted = rows.map(({ number }) => String(number)).join(', ')
        throw new Error(
          `of ${partitions} partitions ${counted} are counted, by ${owners} of ${aggregators} aggregators`,
        )
      }
      await pause(POLL_MS)
    }
  }

  /** How long the worst partition was not counted, of the times that ended since an instant. */
  async stall(since: number): Promise<number> {
    const [row] = await runSql(
      this.#url,
      `select max(at - greatest(before, $1::bigint))::float8 as ms
       from (
         select at, lag(at) over (partition by source order by id) as before
         from chaos_spans where at > $1::bigint - 60000
       ) as spans
       where at > $1::bigint`,
      [since],
    )
    return Number(row?.['ms'] ?? 0)
  }

  /** In the order in which they were counted. */
  async spans(): Promise<TracedSpan[]> {
    const rows = await runSql(
      this.#url,
      `select number, began::text, ended::text from chaos_spans join partitions using (source)
       order by number, chaos_spans.id`,
    )
    return rows.map(({ number, began, ended }) => ({
      partition: Number(number),
      from: BigInt(String(began)),
      to: BigInt(String(ended)),
    }))
  }

  async marks(): Promise<TracedMark[]> {
    const rows = await runSql(
      this.#url,
      `select number, until::float8 as until, chaos_marks.next::text as next
       from chaos_marks join partitions using (source)
       order by number, until`,
    )
    return rows.map(({ number, until, next }) => ({
      partition: Number(number),
      until: Number(until),
      next: BigInt(String(next)),
    }))
  }
}

// A mark is traced at the end of its statement: what that counted is below "next".
const INSTALL = `
  create table chaos_spans (
    id bigint generated always as identity primary key,
    source text not null, began bigint not null, ended bigint not null, batch_id uuid,
    at bigint not null default floor(extract(epoch from clock_timestamp()) * 1000)
  );
  create index on chaos_spans (source, at);
  create index on chaos_spans (at);
  create table chaos_marks (source text not null, until bigint not null, next bigint not null);

  create function trace_span() returns trigger language plpgsql as $$
  begin
    insert into chaos_spans (source, began, ended, batch_id)
    values (new.source, old.next, new.next, new.batch_id);
    return null;
  end $$;
  create trigger trace_span after update on positions for each row
    when (new.next <> old.next and new.source not like 'writer:%' and new.source <> 'dead-letters')
    execute function trace_span();

  create function trace_mark() returns trigger language plpgsql as $$
  begin
    insert into chaos_marks (source, until, next)
    select new.source, new.complete_until, next from positions where source = new.source;
    return null;
  end $$;
  create trigger trace_mark after update on partitions for each row
    when (new.complete_until <> old.complete_until) execute function trace_mark();
`
