import { FAILURES, type FailureKind, type JobId, type Report } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { countOffLease, lockLease } from './claim-lease.ts';
import { endJobLeases, type StoppedLease } from './end-leases.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';

export type FailureReport = Extract<Report, { kind: 'frame-failed' }>;

/** Failed attempts with the scene at fault that fail the frame. */
const SCENE_FAILURES = 3;
/** Frames that a worker may fail before it leaves the job; attempts on one frame count too where the scene is not at fault. */
const FAILED_FRAMES = 3;

/**
 * Records a failed attempt (design 5.11): the frame is enqueued again, or fails where another try is useless or its tries are used up.
 * A worker that failed too much of the job leaves it, and its other leases there end. Null where the lease is not the worker's any more.
 */
export async function failAttempt(
  tx: Tx,
  workerId: string,
  report: FailureReport,
): Promise<{ stopped: StoppedLease[] } | null> {
  const { fault, retryElsewhere } = FAILURES[report.failure];
  const { rows } = await sql<ChangedFrame>`
    with lease as materialized (${lockLease(workerId, report)}
    ), attempt as (
      update attempts a
      set status = 'failed', ended_at = now(), failure = ${report.failure}, fault = ${fault}, message = ${report.message},
        log = ${report.log}
      from lease
      where a.attempt_id = ${report.attemptId} and a.lease_id = lease.lease_id and a.status = 'processing'
      returning a.frame_id, a.lease_id, a.worker_id
    ), counted as (${countOffLease}
    ), frame as (
      update frames f
      set failures = failures + 1,
        scene_failures = scene_failures + ${fault === 'scene' ? 1 : 0},
        failed_on = array_append(array_remove(failed_on, attempt.worker_id), attempt.worker_id),
        failure = ${report.failure},
        message = ${report.message},
        status = case
          when ${!retryElsewhere} or scene_failures + ${fault === 'scene' ? 1 : 0} >= ${SCENE_FAILURES} then 'failed'
          else 'enqueued'
        end
      from attempt
      where f.frame_id = attempt.frame_id and f.status = 'processing'
      returning f.frame_id, f.job_id, f.number, f.status, f.message, attempt.worker_id
    )
    select frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status,
      workers.name as "workerName", null as "renderSeconds", frame.message
    from frame join workers using (worker_id)`.execute(tx);
  const frame = rows[0];
  if (!frame) return null;
  await publishFrames(tx, rows);
  return { stopped: await leaveJob(tx, frame.jobId, workerId, report.failure, report.message) };
}

/** The worker leaves the job where it failed too much of it; what else it had leased of the job goes back. */
export async function leaveJob(
  tx: Tx,
  jobId: JobId,
  workerId: string,
  failure: FailureKind,
  message: string,
): Promise<StoppedLease[]> {
  // An agent that was stopped says nothing about whether its machine can render the job.
  const { rows } = await sql<{ reason: string }>`
    insert into departures (job_id, worker_id, reason)
    select ${jobId}, ${workerId},
      format('it failed %s frames, the last one with %s: %s', frames, ${failure}::text, ${message}::text)
    from (
      select count(distinct frame_id) as frames, count(*) filter (where fault <> 'scene') as faults
      from attempts
      where job_id = ${jobId} and worker_id = ${workerId}
        and status in ('failed', 'refuted') and failure <> 'worker-shutdown'
        and ended_at > coalesce((select retried_at from jobs where job_id = ${jobId}), '-infinity')
    ) as failed
    where frames >= ${FAILED_FRAMES} or faults >= ${FAILED_FRAMES}
    on conflict do nothing
    returning reason`.execute(tx);
  if (rows.length === 0) return [];
  return endJobLeases(tx, jobId, 'the worker has left this job after failing too many of its frames', workerId);
}
