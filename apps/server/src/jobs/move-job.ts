import type { JobId, JobStatus } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { publish } from '../outbox/index.ts';
import { jobStatusesBefore } from './job-transitions.ts';

/**
 * Takes a job to `status` along an arrow of the table, from `from` only where that is given. False where there is no such arrow from the
 * status that it has.
 */
export async function moveJob(
  tx: Tx,
  jobId: JobId,
  status: JobStatus,
  reason: string | null,
  from: JobStatus[] = jobStatusesBefore(status),
): Promise<boolean> {
  const sources = from.filter((source) => jobStatusesBefore(status).includes(source));
  const isEnd = status === 'completed' || status === 'failed' || status === 'canceled';
  const { rows } = await sql`
    update jobs
    set status = ${status}, status_reason = ${reason}, ended_at = case when ${isEnd} then now() end
    where job_id = ${jobId} and status = any(${sources}::text[])
    returning job_id`.execute(tx);
  if (rows.length === 0) return false;
  await publish(tx, { type: 'job.changed', jobId, status, reason });
  return true;
}
