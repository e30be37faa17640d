import { type JobId, type JobStatus, PictorError } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { endJobLeases, retryFrames, type StoppedLease } from '../frames/index.ts';
import { moveJob } from './move-job.ts';

/** Leases no more frames; what is leased goes on. Throws `not-found`, `conflict` where the job is over. */
export async function pauseJob(tx: Tx, jobId: JobId): Promise<void> {
  if (await moveJob(tx, jobId, 'paused', 'paused by its owner')) return;
  await refuseUnless(tx, jobId, ['paused'], 'paused');
}

/** Goes on with a paused job. Throws `not-found`, `conflict` where the job is over. */
export async function resumeJob(tx: Tx, jobId: JobId): Promise<void> {
  if (await moveJob(tx, jobId, 'rendering', null, ['paused'])) return;
  await refuseUnless(tx, jobId, ['rendering'], 'resumed');
}

/** Stops a job for good and takes its leases back; the caller tells the agents. Throws `not-found`, `conflict` where it is over. */
export async function cancelJob(tx: Tx, jobId: JobId): Promise<StoppedLease[]> {
  if (await moveJob(tx, jobId, 'canceled', 'canceled by its owner')) {
    return endJobLeases(tx, jobId, 'the job was canceled');
  }
  await refuseUnless(tx, jobId, ['canceled'], 'canceled');
  return [];
}

/** Enqueues the failed frames of a job again, with all their tries. Throws `not-found`, `conflict` where none failed. */
export async function retryJob(tx: Tx, jobId: JobId): Promise<void> {
  // The job's row is locked before its frames', as wherever both change.
  const isOver = await moveJob(tx, jobId, 'rendering', null, ['completed', 'failed']);
  if (!isOver) await refuseUnless(tx, jobId, ['rendering', 'paused'], 'retried');
  await sql`update jobs set retried_at = now() where job_id = ${jobId}`.execute(tx);
  const frames = await retryFrames(tx, jobId);
  const { rows } = await sql<{ isOpen: boolean }>`
    select exists (select from frames where job_id = ${jobId} and status = 'enqueued') as "isOpen"`.execute(tx);
  if (frames === 0 && !rows[0]?.isOpen) {
    throw new PictorError('conflict', `No frame of job ${jobId} has failed: there is nothing to try again.`);
  }
}

/** A job that no worker is left for fails, with the reason. False where it is over already. */
export async function failJob(tx: Tx, jobId: JobId, reason: string): Promise<StoppedLease[] | false> {
  if (!(await moveJob(tx, jobId, 'failed', reason))) return false;
  return endJobLeases(tx, jobId, 'the job failed');
}

async function refuseUnless(tx: Tx, jobId: JobId, allowed: JobStatus[], verb: string): Promise<void> {
  const { rows } = await sql<{ status: JobStatus }>`select status from jobs where job_id = ${jobId}`.execute(tx);
  const job = rows[0];
  if (!job) throw new PictorError('not-found', `There is no job ${jobId}. List them with: pictor job list`);
  if (allowed.includes(job.status)) return;
  throw new PictorError('conflict', `The job ${jobId} is ${job.status}: it cannot be ${verb}.`, {
    details: { status: job.status },
  });
}
