import type { AttemptId, FrameId, JobId, LeaseId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import type { WrittenLease } from './lease-frames.ts';

/** A lease that has not ended, as the scheduler counts it. */
export interface LiveLease {
  leaseId: LeaseId;
  jobId: JobId;
  workerId: string;
  deviceId: string;
}

/** All leases that have not ended. */
export async function listLiveLeases(db: Db): Promise<LiveLease[]> {
  const { rows } = await sql<LiveLease>`
    select lease_id as "leaseId", job_id as "jobId", worker_id as "workerId", device_id as "deviceId"
    from leases
    where ended_at is null
    order by created_at, lease_id`.execute(db);
  return rows;
}

/** The live leases of a worker with what is left to do in them: for an agent that came back without them. */
export async function listLeasesOfWorker(db: Db, workerId: string): Promise<WrittenLease[]> {
  const { rows } = await sql<Omit<WrittenLease, 'frames'> & { frameId: FrameId; attemptId: AttemptId; number: number }>`
    select l.lease_id as "leaseId", l.token, l.job_id as "jobId", l.worker_id as "workerId", l.device_id as "deviceId",
      l.blender_sha256 as "blenderSha256", l.play_from as "playFrom", f.frame_id as "frameId",
      a.attempt_id as "attemptId", f.number
    from leases l
    join attempts a on a.lease_id = l.lease_id and a.status = 'processing'
    join frames f on f.frame_id = a.frame_id
    where l.worker_id = ${workerId} and l.ended_at is null and l.expires_at > now()
    order by l.created_at, l.lease_id, f.number`.execute(db);
  return [...Map.groupBy(rows, (row) => row.leaseId).values()].map((group) => {
    const { frameId: _frame, attemptId: _attempt, number: _number, ...lease } = group[0] as (typeof group)[number];
    return { ...lease, frames: group.map(({ frameId, attemptId, number }) => ({ frameId, attemptId, number })) };
  });
}

/** Frames that failed before and are enqueued again, by job and by the workers on which they failed. */
export async function listRetries(
  db: Db,
  jobIds: readonly string[],
): Promise<{ jobId: string; failedOn: string[]; frames: number }[]> {
  const { rows } = await sql<{ jobId: string; failedOn: string[]; frames: number }>`
    select job_id as "jobId", failed_on as "failedOn", count(*) as frames
    from frames
    where job_id = any(${jobIds}::text[]) and status = 'enqueued' and failures > 0
    group by job_id, failed_on`.execute(db);
  return rows;
}

/** Enqueued frames of each job, counted up to `limit`: of a larger number nothing depends on how large it is. */
export async function countEnqueued(db: Db, jobIds: readonly string[], limit: number): Promise<Map<string, number>> {
  const { rows } = await sql<{ jobId: string; frames: number }>`
    select job.job_id as "jobId", queue.frames
    from unnest(${jobIds}::text[]) as job (job_id)
    cross join lateral (
      select count(*) as frames
      from (select from frames f where f.job_id = job.job_id and f.status = 'enqueued' limit ${limit}) counted
    ) queue`.execute(db);
  return new Map(rows.map(({ jobId, frames }) => [jobId, frames]));
}
