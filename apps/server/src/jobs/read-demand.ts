import type { JobId, RenderSettings, SnapshotId, Timeouts } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import type { JobRequirements } from '../workers/index.ts';

/** A job as the scheduler sees it. */
export interface OpenJob {
  jobId: JobId;
  ownerId: string;
  priority: number;
  createdAt: Date;
  snapshotId: SnapshotId;
  settings: RenderSettings;
  requirements: JobRequirements;
  framesPerNode: number | null;
  isSequential: boolean;
  playFrom: number | null;
  timeouts: Timeouts;
  memoryLimitBytes: number | null;
  /** Workers that left it after failing too much of it, with the reason. */
  departures: { workerId: string; reason: string }[];
}

/** Jobs that are rendering, by priority and age. */
export function listOpenJobs(db: Db): Promise<OpenJob[]> {
  return readOpen(db, sql`j.status = 'rendering'`);
}

/** What leases of these jobs say, whatever status the jobs have. */
export function listJobsForLeases(db: Db, jobIds: readonly string[]): Promise<OpenJob[]> {
  return readOpen(db, sql`j.job_id = any(${jobIds}::text[])`);
}

async function readOpen(db: Db, which: ReturnType<typeof sql>): Promise<OpenJob[]> {
  const { rows } = await sql<OpenJob>`
    select j.job_id as "jobId", j.owner_id as "ownerId", j.priority, j.created_at as "createdAt",
      j.snapshot_id as "snapshotId", j.settings, j.requirements, j.frames_per_node as "framesPerNode",
      j.is_sequential as "isSequential", j.play_from as "playFrom", j.timeouts,
      j.memory_limit_bytes as "memoryLimitBytes",
      coalesce((
        select jsonb_agg(jsonb_build_object('workerId', d.worker_id, 'reason', d.reason) order by d.left_at)
        from departures d where d.job_id = j.job_id), '[]') as departures
    from jobs j
    where ${which}
    order by j.priority desc, j.created_at, j.job_id`.execute(db);
  return rows;
}
