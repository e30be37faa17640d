import type { DeliveredOutput, Report } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { newId } from '../identity/index.ts';
import { countOffLease, lockLease } from './claim-lease.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';

export type Delivery = Extract<Report, { kind: 'frame-delivered' }>;

/**
 * Records a frame as delivered, with its outputs; it waits to be checked then. False where the lease is not the worker's any more, or
 * the attempt is over. The caller has made sure that every chunk is in the store (SPEC.md R3).
 */
export async function deliverFrame(tx: Tx, workerId: string, report: Delivery): Promise<boolean> {
  const { rows } = await sql<ChangedFrame>`
    with lease as materialized (${lockLease(workerId, report)}
    ), attempt as (
      update attempts a
      set status = 'delivered', ended_at = now(), render_seconds = ${report.renderSeconds}, total_seconds = ${report.totalSeconds},
        peak_memory_bytes = ${report.peakMemoryBytes}, is_warm = ${report.warm}, signature = ${report.signature},
        log = ${report.log}
      from lease
      where a.attempt_id = ${report.attemptId} and a.lease_id = lease.lease_id and a.status = 'processing'
      returning a.frame_id, a.lease_id, a.worker_id
    ), counted as (${countOffLease}
    ), frame as (
      update frames f
      set status = 'verifying'
      from attempt
      where f.frame_id = attempt.frame_id and f.status = 'processing'
      returning f.frame_id, f.job_id, f.number, f.status, attempt.worker_id
    )
    select frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status,
      workers.name as "workerName", ${report.renderSeconds}::float8 as "renderSeconds", null as message
    from frame join workers using (worker_id)`.execute(tx);
  const frame = rows[0];
  if (!frame) return false;
  await insertOutputs(tx, frame, report.attemptId, report.outputs);
  await publishFrames(tx, rows);
  return true;
}

async function insertOutputs(
  tx: Tx,
  frame: { frameId: string; jobId: string },
  attemptId: string,
  outputs: readonly DeliveredOutput[],
): Promise<void> {
  const rows = outputs.map((output) => ({ ...output, outputId: newId('out') }));
  await sql`
    insert into outputs
      (output_id, attempt_id, frame_id, job_id, kind, path, size_bytes, sha256, chunks, pixel_sha256, width, height)
    select "outputId", ${attemptId}, ${frame.frameId}, ${frame.jobId}, kind, path, "sizeBytes", sha256, chunks,
      "pixelSha256", width, height
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as output
      ("outputId" text, kind text, path text, "sizeBytes" bigint, sha256 text, chunks text[], "pixelSha256" text,
       width integer, height integer)`.execute(tx);
}
