import { FrameStatus, type Job, type JobId, PictorError } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import { countFrames, measurePace } from '../frames/index.ts';

type JobRow = Omit<Job, 'counts' | 'framesPerMinute' | 'secondsLeft' | 'createdAt' | 'endedAt'> & {
  createdAt: Date;
  endedAt: Date | null;
};

/** All jobs of an owner, newest first. */
export async function listJobs(db: Db, ownerId: string): Promise<Job[]> {
  return withProgress(db, await readRows(db, sql`owner_id = ${ownerId}`));
}

/** One job. Throws `not-found`. */
export async function getJob(db: Db, jobId: JobId): Promise<Job> {
  const [job] = await withProgress(db, await readRows(db, sql`job_id = ${jobId}`));
  if (!job) throw new PictorError('not-found', `There is no job ${jobId}. List them with: pictor job list`);
  return job;
}

async function readRows(db: Db, which: ReturnType<typeof sql>): Promise<JobRow[]> {
  const { rows } = await sql<JobRow>`
    select job_id as "jobId", name, comment, status, status_reason as "statusReason", snapshot_id as "snapshotId",
      settings, frames, frame_count as "frameCount", created_at as "createdAt", ended_at as "endedAt"
    from jobs
    where ${which}
    order by created_at desc, job_id desc`.execute(db);
  return rows;
}

async function withProgress(db: Db, rows: readonly JobRow[]): Promise<Job[]> {
  const jobIds = rows.map((row) => row.jobId);
  const [counts, paces] = await Promise.all([countFrames(db, jobIds), measurePace(db, jobIds)]);
  return rows.map((row) => {
    const count = Object.fromEntries(
      FrameStatus.options.map((status) => [status, counts.get(row.jobId)?.[status] ?? 0]),
    ) as Job['counts'];
    const pace = paces.get(row.jobId);
    const left = count.enqueued + count.processing;
    return {
      ...row,
      counts: count,
      framesPerMinute: pace ? (pace.frames / pace.seconds) * 60 : null,
      secondsLeft: row.status === 'rendering' && pace ? (left * pace.seconds) / pace.frames : null,
      createdAt: row.createdAt.toISOString(),
      endedAt: row.endedAt?.toISOString() ?? null,
    };
  });
}
