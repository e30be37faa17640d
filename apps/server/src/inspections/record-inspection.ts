import type { InspectionId, InspectionReport, WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import { insertSnapshot } from '../assets/index.ts';
import { jsonb, type Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';
import type { BakedProject } from './check-bake.ts';

export type InspectionOutcome = { report: InspectionReport; baked?: BakedProject } | { failure: string };

/**
 * `processing → succeeded | failed`, by the worker that has it. `duplicate` where this worker told its end before, `lease-lost` where it is
 * another's by now: both change nothing. The snapshot of a bake is made with it.
 */
export async function recordInspection(
  tx: Tx,
  inspectionId: InspectionId,
  workerId: WorkerId,
  outcome: InspectionOutcome,
): Promise<'recorded' | 'duplicate' | 'lease-lost'> {
  const isSuccess = 'report' in outcome;
  const status = isSuccess ? 'succeeded' : 'failed';
  const inWork = await tx
    .selectFrom('inspections')
    .select('inspection_id')
    .where('inspection_id', '=', inspectionId)
    .where('status', '=', 'processing')
    .where('worker_id', '=', workerId)
    .forUpdate()
    .executeTakeFirst();
  if (inWork) {
    const baked = isSuccess ? outcome.baked : undefined;
    await tx
      .updateTable('inspections')
      .set({
        status,
        report: isSuccess ? jsonb(outcome.report) : null,
        failure: isSuccess ? null : outcome.failure,
        baked_snapshot_id: baked ? await insertSnapshot(tx, baked.manifest, baked.ownerId) : null,
        ended_at: sql<Date>`now()`,
      })
      .where('inspection_id', '=', inspectionId)
      .execute();
    await publish(tx, { type: 'inspection.changed', inspectionId, status });
    return 'recorded';
  }
  const ended = await tx
    .selectFrom('inspections')
    .select('inspection_id')
    .where('inspection_id', '=', inspectionId)
    .where('worker_id', '=', workerId)
    .where('status', 'in', ['succeeded', 'failed'])
    .executeTakeFirst();
  return ended ? 'duplicate' : 'lease-lost';
}
