import type { JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import type { StoppedLease } from './end-leases.ts';
import { leaveJob } from './fail-attempt.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';

/** Frames whose outputs were looked at and found right. `proof` is `proven` or `unproven: reason`. Returns those that changed. */
export async function succeedFrames(
  tx: Tx,
  verdicts: readonly { frameId: string; attemptId: string; proof: string }[],
): Promise<string[]> {
  const { rows } = await sql<ChangedFrame>`
    with verdict as (
      select * from jsonb_to_recordset(${JSON.stringify(verdicts)}::jsonb)
        as verdict ("frameId" text, "attemptId" text, proof text)
    ), attempt as (
      update attempts a
      set status = 'verified'
      from verdict
      where a.attempt_id = verdict."attemptId" and a.frame_id = verdict."frameId" and a.status = 'delivered'
      returning a.frame_id, a.worker_id, a.render_seconds, verdict.proof
    ), frame as (
      update frames f
      set status = 'succeeded', proof = attempt.proof, failure = null, message = null
      from attempt
      where f.frame_id = attempt.frame_id and f.status = 'verifying'
      returning f.frame_id, f.job_id, f.number, f.status, attempt.worker_id, attempt.render_seconds
    )
    select frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status,
      workers.name as "workerName", frame.render_seconds as "renderSeconds", null as message
    from frame join workers using (worker_id)
    order by frame.number`.execute(tx);
  await publishFrames(tx, rows);
  return rows.map((row) => row.frameId);
}

/** Accepts frames that succeeded: the creator's word, or the network's own where it is private. Returns those that changed. */
export async function acceptFrames(tx: Tx, frameIds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<ChangedFrame>`
    with frame as (
      update frames set status = 'accepted'
      where frame_id = any(${frameIds}::text[]) and status = 'succeeded'
      returning frame_id, job_id, number, status
    )
    select frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status,
      workers.name as "workerName", attempts.render_seconds as "renderSeconds", null as message
    from frame
    join attempts on attempts.frame_id = frame.frame_id and attempts.status = 'verified'
    join workers using (worker_id)
    order by frame.number`.execute(tx);
  await publishFrames(tx, rows);
  return rows.map((row) => row.frameId);
}

/**
 * A frame whose outputs are not what they should be: another worker renders it. Counts as a failure of the worker. Null where the frame
 * is not being verified any more.
 */
export async function refuteFrame(
  tx: Tx,
  verdict: { frameId: string; attemptId: string; message: string },
): Promise<{ stopped: StoppedLease[] } | null> {
  const { rows } = await sql<ChangedFrame & { workerId: string }>`
    with attempt as (
      update attempts
      set status = 'refuted', failure = 'output-unreadable', fault = 'worker', message = ${verdict.message}
      where attempt_id = ${verdict.attemptId} and frame_id = ${verdict.frameId} and status = 'delivered'
      returning frame_id, worker_id
    ), frame as (
      update frames f
      set status = 'enqueued', failures = failures + 1, failure = 'output-unreadable', message = ${verdict.message},
        failed_on = array_append(array_remove(failed_on, attempt.worker_id), attempt.worker_id)
      from attempt
      where f.frame_id = attempt.frame_id and f.status = 'verifying'
      returning f.frame_id, f.job_id, f.number, f.status, f.message, attempt.worker_id
    )
    select frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status, worker_id as "workerId",
      workers.name as "workerName", null as "renderSeconds", frame.message
    from frame join workers using (worker_id)`.execute(tx);
  const frame = rows[0];
  if (!frame) return null;
  await publishFrames(tx, rows);
  const stopped = await leaveJob(tx, frame.jobId as JobId, frame.workerId, 'output-unreadable', verdict.message);
  return { stopped };
}
