import { InspectionId, type WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, withTransaction } from '../db/index.ts';
import { publish } from '../outbox/index.ts';

/** So many workers may be lost over one inspection. */
const MAX_ATTEMPTS = 3;

/**
 * `processing → enqueued` for the inspections of a worker that left, so that another may take them, or `failed` where too many workers
 * left over one. Returns how many are enqueued again.
 */
export async function returnInspections(db: Db, workerId: WorkerId): Promise<number> {
  return withTransaction(
    db,
    async (tx) => {
      const { rows } = await sql<{ inspection_id: string; status: 'enqueued' | 'failed' }>`
        update inspections
        set
          status = case when attempts < ${MAX_ATTEMPTS} then 'enqueued' else 'failed' end,
          failure = case when attempts < ${MAX_ATTEMPTS} then null else
            'The connection to ' || attempts || ' agents was lost while they looked into this file. Look into their logs, then ask again.' end,
          ended_at = case when attempts < ${MAX_ATTEMPTS} then null else now() end,
          worker_id = null,
          started_at = null
        where worker_id = ${workerId} and status = 'processing'
        returning inspection_id, status`.execute(tx);
      await publish(
        tx,
        ...rows.map((row) => ({
          type: 'inspection.changed' as const,
          inspectionId: InspectionId.parse(row.inspection_id),
          status: row.status,
        })),
      );
      return rows.filter((row) => row.status === 'enqueued').length;
    },
    { repeatable: true },
  );
}
