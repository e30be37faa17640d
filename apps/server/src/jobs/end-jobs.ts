import { formatFrames } from '@pictor/frames';
import type { JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, type Tx, withTransaction } from '../db/index.ts';
import { moveJob } from './move-job.ts';

/**
 * Ends jobs all of whose frames have ended: completed, with the frames named that could not be rendered, or failed where none could be.
 * Looks at the jobs named, or at all. Returns those that ended.
 */
export async function endFinishedJobs(db: Db, jobIds: readonly string[] | null): Promise<JobId[]> {
  const { rows } = await sql<{ jobId: JobId }>`
    select job_id as "jobId" from jobs j
    where (${jobIds}::text[] is null or job_id = any(${jobIds}::text[])) and ${IS_FINISHED}`.execute(db);
  const ended: JobId[] = [];
  for (const { jobId } of rows) {
    if (await withTransaction(db, (tx) => endIfFinished(tx, jobId), { repeatable: true })) ended.push(jobId);
  }
  return ended;
}

/** A frame in work belongs to a live lease: no index over all frames is needed to see that none is left. */
const IS_FINISHED = sql`
  j.status in ('rendering', 'paused')
  and not exists (select from frames f where f.job_id = j.job_id and f.status = 'enqueued')
  and not exists (
    select from frames f where f.job_id = j.job_id and f.status in ('verifying', 'succeeded', 'rerender-requested'))
  and not exists (select from leases l where l.job_id = j.job_id and l.ended_at is null)`;

async function endIfFinished(tx: Tx, jobId: JobId): Promise<boolean> {
  // Locked first: a retry that comes at the same time must not find its job ended with frames enqueued.
  const { rows } = await sql<{ frameCount: number }>`
    select frame_count as "frameCount" from jobs j where job_id = ${jobId} for no key update`.execute(tx);
  const finished = await sql`select from jobs j where job_id = ${jobId} and ${IS_FINISHED}`.execute(tx);
  if (!rows[0] || finished.rows.length === 0) return false;
  const failed = await sql<{ number: number; message: string | null; failure: string | null }>`
    select number, message, failure from frames where job_id = ${jobId} and status = 'failed' order by number`.execute(
    tx,
  );
  const count = failed.rows.length;
  if (count === 0) return moveJob(tx, jobId, 'completed', null);
  const last = failed.rows.at(-1);
  const cause = `${last?.failure}${last?.message ? `: ${last.message}` : ''}`;
  if (count === rows[0].frameCount) {
    const named = count === 1 ? 'Its only frame' : `All ${count} frames`;
    return moveJob(tx, jobId, 'failed', `${named} could not be rendered. Frame ${last?.number} failed with ${cause}`);
  }
  const frames = formatFrames(failed.rows.map((frame) => frame.number));
  return moveJob(
    tx,
    jobId,
    'completed',
    `${count} of ${rows[0].frameCount} frames could not be rendered: ${frames}. Frame ${last?.number} failed with ${cause}`,
  );
}
