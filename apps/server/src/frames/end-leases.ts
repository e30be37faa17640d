import type { AttemptId, LeaseId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';

/** Attempts that a worker shall stop, lease by lease. */
export interface StoppedLease {
  leaseId: LeaseId;
  workerId: string;
  attemptIds: AttemptId[];
}

type EndReason = 'expired' | 'released' | 'canceled' | 'revoked';

/** Ends live leases whose time is over by the database's clock. Frames that were delivered stay delivered (SPEC.md L3). */
export function expireLeases(tx: Tx): Promise<StoppedLease[]> {
  return endLeases(tx, sql`expires_at <= now()`, 'expired', null);
}

/** The holder gives the rest of a lease back. Null where it is not its lease any more. */
export async function releaseLease(
  tx: Tx,
  claim: { workerId: string; leaseId: string; token: string },
  reason: string,
): Promise<StoppedLease | null> {
  const { workerId, leaseId, token } = claim;
  const which = sql`lease_id = ${leaseId} and token = ${token} and worker_id = ${workerId} and expires_at > now()`;
  return (await endLeases(tx, which, 'released', reason))[0] ?? null;
}

/** Takes all leases of a job back, or those of one worker in it. The caller tells the agents. */
export function endJobLeases(tx: Tx, jobId: string, reason: string, workerId?: string): Promise<StoppedLease[]> {
  const ofWorker = workerId === undefined ? sql`true` : sql`worker_id = ${workerId}`;
  return endLeases(tx, sql`job_id = ${jobId} and ${ofWorker}`, 'canceled', reason);
}

/** Takes all leases of a worker back, whose key was revoked. */
export function endWorkerLeases(tx: Tx, workerId: string, reason: string): Promise<StoppedLease[]> {
  return endLeases(tx, sql`worker_id = ${workerId}`, 'revoked', reason);
}

async function endLeases(
  tx: Tx,
  which: ReturnType<typeof sql>,
  endReason: EndReason,
  message: string | null,
): Promise<StoppedLease[]> {
  const attemptStatus = endReason === 'expired' ? 'expired' : 'abandoned';
  const { rows } = await sql<
    { leaseId: LeaseId; workerId: string; attemptId: AttemptId | null } & {
      [K in keyof ChangedFrame]: ChangedFrame[K] | null;
    }
  >`
    with lease as (
      update leases set ended_at = now(), end_reason = ${endReason}
      where ended_at is null and ${which}
      returning lease_id, worker_id
    ), attempt as (
      update attempts a
      set status = ${attemptStatus}, ended_at = now(), message = ${message}
      from lease
      where a.lease_id = lease.lease_id and a.status = 'processing'
      returning a.attempt_id, a.frame_id, a.lease_id
    ), frame as (
      update frames f
      set status = 'enqueued'
      from attempt
      where f.frame_id = attempt.frame_id and f.status = 'processing'
      returning f.frame_id, f.job_id, f.number, f.status, f.message, attempt.lease_id, attempt.attempt_id
    )
    select lease.lease_id as "leaseId", lease.worker_id as "workerId", frame.attempt_id as "attemptId",
      frame.job_id as "jobId", frame.frame_id as "frameId", frame.number, frame.status, null as "workerName",
      null as "renderSeconds", frame.message
    from lease left join frame using (lease_id)
    order by frame.number`.execute(tx);
  await publishFrames(
    tx,
    rows.filter((row): row is typeof row & ChangedFrame => row.frameId !== null),
  );
  return [...Map.groupBy(rows, (row) => row.leaseId)].map(([leaseId, frames]) => ({
    leaseId,
    workerId: frames[0]?.workerId ?? '',
    attemptIds: frames.flatMap((frame) => frame.attemptId ?? []),
  }));
}
