import type { WorkerStatus } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db, Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';
import { WORKER_TRANSITIONS } from './worker-transitions.ts';

/** A status that a worker shall have, and why, for people. */
export interface WorkerStatusChange {
  workerId: string;
  status: WorkerStatus;
  reason: string | null;
}

const ARROWS = Object.entries(WORKER_TRANSITIONS).flatMap(([from, targets]) => targets.map((to) => ({ from, to })));

/**
 * Changes statuses along the arrows of the table; workers for which there is no arrow stay as they are. The reason of a status may
 * change without it. Returns who changed.
 */
export async function changeWorkerStatuses(tx: Tx, changes: readonly WorkerStatusChange[]): Promise<string[]> {
  if (changes.length === 0) return [];
  const { rows } = await sql<{ workerId: string; name: string; status: WorkerStatus; reason: string | null }>`
    update workers w
    set status = change.status, status_reason = change.reason
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as change ("workerId" text, status text, reason text)
    where w.worker_id = change."workerId"
      and (
        (w.status, change.status) in (
          select "from", "to" from jsonb_to_recordset(${JSON.stringify(ARROWS)}::jsonb) as arrow ("from" text, "to" text))
        or (w.status = change.status and w.status_reason is distinct from change.reason)
      )
    returning w.worker_id as "workerId", w.name, w.status, w.status_reason as reason`.execute(tx);
  if (rows.length > 0) await publish(tx, { type: 'workers.changed', workers: rows as never });
  return rows.map((row) => row.workerId);
}

/** At start no agent is connected to this process: whoever is shown as connected is not. */
export async function markAllOffline(tx: Tx): Promise<void> {
  const { rows } = await sql<{ workerId: string }>`
    select worker_id as "workerId" from workers where status not in ('offline', 'suspended')`.execute(tx);
  await changeWorkerStatuses(
    tx,
    rows.map(({ workerId }) => ({ workerId, status: 'offline' as const, reason: 'the server was restarted' })),
  );
}

/** Writes when connected workers were last heard of, many at once. */
export async function recordLastSeen(db: Db, workerIds: readonly string[]): Promise<void> {
  if (workerIds.length === 0) return;
  await sql`update workers set last_seen_at = now() where worker_id = any(${workerIds}::text[])`.execute(db);
}
