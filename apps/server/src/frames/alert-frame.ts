import type { FrameId, JobId, Report } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';

export type AlertReport = Extract<Report, { kind: 'frame-alert' }>;

/** Tells whoever watches that a frame passed a timeout. False where the lease is not the worker's any more. */
export async function alertFrame(tx: Tx, workerId: string, report: AlertReport): Promise<boolean> {
  const { rows } = await sql<{ jobId: JobId; frameId: FrameId; number: number }>`
    select f.job_id as "jobId", f.frame_id as "frameId", f.number
    from attempts a
    join leases l using (lease_id)
    join frames f on f.frame_id = a.frame_id
    where a.attempt_id = ${report.attemptId} and a.status = 'processing'
      and l.lease_id = ${report.leaseId} and l.token = ${report.token} and l.worker_id = ${workerId}
      and l.ended_at is null and l.expires_at > now()`.execute(tx);
  const frame = rows[0];
  if (!frame) return false;
  await publish(tx, { type: 'frame.alert', ...frame, level: report.level, evidence: report.evidence });
  return true;
}
