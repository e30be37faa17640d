import { JobEvent } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';

/** A place in the stream of events: the pair of transaction and row, as the text `tx-id`. */
export type Cursor = string;

export interface OutboxPage {
  events: { cursor: Cursor; event: JobEvent }[];
  /** Rows are committed that a transaction still open keeps from being read: look again soon, nobody will notify. */
  isHeldBack: boolean;
}

const CURSOR = /^(\d{1,20})-(\d{1,19})$/;
const PAGE_ROWS = 500;

/** Reads what came after `after`, oldest first, only rows older than every open transaction: none can appear before them any more. */
export async function readOutbox(db: Db, after: Cursor, jobId: string | null): Promise<OutboxPage> {
  const [, tx, id] = CURSOR.exec(after) ?? [];
  const { rows } = await sql<{ tx: string | null; id: number | null; payload: unknown; held_back: boolean }>`
    with horizon as (select pg_snapshot_xmin(pg_current_snapshot()) as xmin),
    page as (
      select tx, id, payload
      from outbox, horizon
      where (tx, id) > (${tx}::xid8, ${id}::bigint)
        and tx < horizon.xmin
        and (${jobId}::text is null or job_id = ${jobId})
      order by tx, id
      limit ${PAGE_ROWS}
    )
    select page.tx::text as tx, page.id, page.payload,
      exists (select from outbox, horizon where outbox.tx >= horizon.xmin) as held_back
    from (select 1) as always
    left join page on true
    order by page.tx, page.id`.execute(db);
  const events = rows
    .filter((row) => row.tx !== null)
    .map((row) => ({ cursor: `${row.tx}-${row.id}`, event: JobEvent.parse(row.payload) }));
  return { events, isHeldBack: rows[0]?.held_back ?? false };
}

/** The place before everything that is not readable yet: a reader that starts here misses nothing from now on. */
export async function currentCursor(db: Db): Promise<Cursor> {
  const { rows } = await sql<{ xmin: string }>`
    select pg_snapshot_xmin(pg_current_snapshot())::text as xmin`.execute(db);
  return `${rows[0]?.xmin}-0`;
}

/** Whether nothing after this cursor was swept away, and it is one of this database. */
export async function isCursorKept(db: Db, cursor: Cursor): Promise<boolean> {
  const [, tx, id] = CURSOR.exec(cursor) ?? [];
  // The text may come from anybody: what does not fit its type is an unknown cursor, not an error of the database.
  if (tx === undefined || id === undefined || BigInt(tx) >= 2n ** 63n || BigInt(id) >= 2n ** 63n) return false;
  const { rows } = await sql<{ kept: boolean }>`
    select (${tx}::xid8, ${id}::bigint) >= (swept_tx, swept_id)
      and ${tx}::xid8 <= pg_snapshot_xmax(pg_current_snapshot()) as kept
    from outbox_horizon`.execute(db);
  return rows[0]?.kept ?? false;
}

const KEPT_DAYS = 7;

/** Removes events older than seven days; cursors before them are answered with `resync` from then on. */
export async function sweepOutbox(db: Db, keptSeconds = KEPT_DAYS * 24 * 3600): Promise<number> {
  const { rows } = await sql<{ swept: number }>`
    with swept as (
      delete from outbox
      where created_at < now() - make_interval(secs => ${keptSeconds})
        and tx < pg_snapshot_xmin(pg_current_snapshot())
      returning tx, id
    ), last as (
      select tx, id from swept order by tx desc, id desc limit 1
    ), moved as (
      update outbox_horizon set swept_tx = last.tx, swept_id = last.id from last
      where (last.tx, last.id) > (swept_tx, swept_id)
    )
    select count(*) as swept from swept`.execute(db);
  return rows[0]?.swept ?? 0;
}
