import type { Frame, FrameStatus, Output } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';

/** The frames of a job in order, each with its attempts, oldest first. */
export async function listFrames(db: Db, jobId: string): Promise<Frame[]> {
  const { rows } = await sql<Frame>`
    select f.frame_id as "frameId", f.number, f.status, f.proof,
      coalesce(f.failure || case when f.message <> '' then ': ' || f.message else '' end, f.message) as failure,
      coalesce(tried.attempts, '[]') as attempts
    from frames f
    left join (
      select a.frame_id, jsonb_agg(jsonb_build_object(
        'attemptId', a.attempt_id, 'status', a.status, 'workerId', a.worker_id, 'workerName', w.name,
        'startedAt', ${isoTime(sql`a.started_at`)}, 'endedAt', ${isoTime(sql`a.ended_at`)},
        'renderSeconds', a.render_seconds, 'failure', a.failure, 'message', a.message
      ) order by a.started_at) as attempts
      from attempts a join workers w using (worker_id)
      where a.job_id = ${jobId}
      group by a.frame_id
    ) tried using (frame_id)
    where f.job_id = ${jobId}
    order by f.number`.execute(db);
  return rows;
}

const isoTime = (column: ReturnType<typeof sql>) =>
  sql`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The files of the frames that succeeded, by frame and path. */
export async function listOutputs(db: Db, jobId: string): Promise<Output[]> {
  const { rows } = await sql<Output>`
    select o.output_id as "outputId", f.number as "frameNumber", o.kind, o.path, o.size_bytes as "sizeBytes", o.sha256,
      o.pixel_sha256 as "pixelSha256", o.width, o.height
    from outputs o
    join attempts a using (attempt_id)
    join frames f on f.frame_id = o.frame_id
    where o.job_id = ${jobId} and a.status = 'verified' and f.status in ('succeeded', 'accepted')
    order by f.number, o.path`.execute(db);
  return rows;
}

/** Where the content of an output is; undefined where there is no such output. */
export async function findOutput(
  db: Db,
  outputId: string,
): Promise<{ path: string; sizeBytes: number; sha256: string; chunks: string[] } | undefined> {
  const { rows } = await sql<{ path: string; sizeBytes: number; sha256: string; chunks: string[] }>`
    select path, size_bytes as "sizeBytes", sha256, chunks from outputs where output_id = ${outputId}`.execute(db);
  return rows[0];
}

/** How many frames each job has in each status. */
export async function countFrames(
  db: Db,
  jobIds: readonly string[],
): Promise<Map<string, Partial<Record<FrameStatus, number>>>> {
  const { rows } = await sql<{ jobId: string; status: FrameStatus; count: number }>`
    select job_id as "jobId", status, count(*) as count
    from frames
    where job_id = any(${jobIds}::text[])
    group by job_id, status`.execute(db);
  const counts = new Map<string, Partial<Record<FrameStatus, number>>>();
  for (const { jobId, status, count } of rows) counts.set(jobId, { ...counts.get(jobId), [status]: count });
  return counts;
}

/** How fast frames of a job come: of its newest delivered ones, the time from the first start to the last end. */
export interface Pace {
  frames: number;
  seconds: number;
}

const PACE_FRAMES = 50;

/** The pace of each job that has delivered frames. */
export async function measurePace(db: Db, jobIds: readonly string[]): Promise<Map<string, Pace>> {
  const { rows } = await sql<{ jobId: string } & Pace>`
    select job.job_id as "jobId", count(*) as frames,
      greatest(extract(epoch from max(newest.ended_at) - min(newest.started_at))::float8, 0.001) as seconds
    from unnest(${jobIds}::text[]) as job (job_id)
    cross join lateral (
      select started_at, ended_at from attempts a
      where a.job_id = job.job_id and a.ended_at is not null and a.status in ('delivered', 'verified')
      order by ended_at desc
      limit ${PACE_FRAMES}
    ) newest
    group by job.job_id`.execute(db);
  return new Map(rows.map(({ jobId, frames, seconds }) => [jobId, { frames, seconds }]));
}

/** Mean seconds of work on one frame, of the newest delivered ones of each job that has any. */
export async function measureFrameSeconds(db: Db, jobIds: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await sql<{ jobId: string; seconds: number }>`
    select job.job_id as "jobId", avg(newest.total_seconds) as seconds
    from unnest(${jobIds}::text[]) as job (job_id)
    cross join lateral (
      select total_seconds from attempts a
      where a.job_id = job.job_id and a.ended_at is not null and a.status in ('delivered', 'verified')
      order by ended_at desc
      limit ${PACE_FRAMES}
    ) newest
    group by job.job_id`.execute(db);
  return new Map(rows.map(({ jobId, seconds }) => [jobId, seconds]));
}
