import { InspectionId, SnapshotId, type WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, withTransaction } from '../db/index.ts';
import { publish } from '../outbox/index.ts';

/** An inspection that waits, oldest first. */
export interface WaitingInspection {
  inspectionId: InspectionId;
  snapshotId: SnapshotId;
  file: string;
  isBake: boolean;
  ownerId: string;
  /** Workers that were lost over it: another one goes first. */
  attempts: number;
}

/** What waits for an agent, oldest first. */
export async function listWaitingInspections(db: Db, limit = 100): Promise<WaitingInspection[]> {
  const rows = await db
    .selectFrom('inspections')
    .select(['inspection_id', 'snapshot_id', 'file', 'is_bake', 'owner_id', 'attempts'])
    .where('status', '=', 'enqueued')
    .orderBy('created_at')
    .limit(limit)
    .execute();
  return rows.map(toWaiting);
}

/** `enqueued → processing` for up to `limit` inspections, oldest first, or for the one that is named. */
export async function takeInspections(
  db: Db,
  workerId: WorkerId,
  wanted: { limit: number } | { inspectionId: InspectionId },
): Promise<WaitingInspection[]> {
  const only = 'inspectionId' in wanted ? wanted.inspectionId : null;
  const limit = 'limit' in wanted ? wanted.limit : 1;
  return withTransaction(db, async (tx) => {
    // Materialized: as a subquery of `in` it may be run again for each row, and then takes more than `limit`.
    const { rows } = await sql<Parameters<typeof toWaiting>[0]>`
      with chosen as materialized (
        select inspection_id
        from inspections
        where status = 'enqueued' and (${only}::text is null or inspection_id = ${only})
        order by created_at
        limit ${limit}
        for update skip locked
      )
      update inspections
      set status = 'processing', worker_id = ${workerId}, started_at = now(), attempts = attempts + 1
      from chosen
      where inspections.inspection_id = chosen.inspection_id
      returning inspections.inspection_id, snapshot_id, file, is_bake, owner_id, attempts`.execute(tx);
    const taken = rows.map(toWaiting);
    await publish(
      tx,
      ...taken.map(({ inspectionId }) => ({
        type: 'inspection.changed' as const,
        inspectionId,
        status: 'processing' as const,
      })),
    );
    return taken;
  });
}

function toWaiting(row: {
  inspection_id: string;
  snapshot_id: string;
  file: string;
  is_bake: boolean;
  owner_id: string;
  attempts: number;
}): WaitingInspection {
  return {
    inspectionId: InspectionId.parse(row.inspection_id),
    snapshotId: SnapshotId.parse(row.snapshot_id),
    file: row.file,
    isBake: row.is_bake,
    ownerId: row.owner_id,
    attempts: row.attempts,
  };
}
