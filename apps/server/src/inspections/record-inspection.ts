import type { InspectionId, InspectionReport, WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import { jsonb, type Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';

export type InspectionOutcome = { report: InspectionReport } | { failure: string };

/**
 * `processing → succeeded | failed`, by the worker that has it. `duplicate` where this worker told its end before, `lease-lost` where it is
 * another's by now: both change nothing.
 */
export async function recordInspection(
  tx: Tx,
  inspectionId: InspectionId,
  workerId: WorkerId,
  outcome: InspectionOutcome,
): Promise<'recorded' | 'duplicate' | 'lease-lost'> {
  const isSuccess = 'report' in outcome;
  const status = isSuccess ? 'succeeded' : 'failed';
  const changed = await tx
    .updateTable('inspections')
    .set({
      status,
      report: isSuccess ? jsonb(outcome.report) : null,
      failure: isSuccess ? null : outcome.failure,
      ended_at: sql<Date>`now()`,
    })
    .where('inspection_id', '=', inspectionId)
    .where('status', '=', 'processing')
    .where('worker_id', '=', workerId)
    .executeTakeFirst();
  if (changed.numUpdatedRows > 0n) {
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
