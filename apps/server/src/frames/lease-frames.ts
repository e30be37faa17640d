import { randomBytes } from 'node:crypto';
import type { AttemptId, FrameId, JobId, LeaseId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { newId } from '../identity/index.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';
import { LEASE_SECONDS } from './keep-leases.ts';

/** What the scheduler wants to lease. */
export interface LeasePlan {
  jobId: JobId;
  workerId: string;
  deviceId: string;
  blenderSha256: string;
  /** How many frames; fewer are leased where fewer are left. */
  frames: number;
  playFrom: number | null;
}

/** Who else can render a job, for frames that failed before: they go to another worker while there is one. */
export interface RetryRules {
  /** Workers that can render the job now. */
  eligibleWorkers: readonly string[];
  /** Enqueued frames that failed before. */
  retries: number;
}

/** A lease as it was written. */
export interface WrittenLease extends Omit<LeasePlan, 'frames'> {
  leaseId: LeaseId;
  token: string;
  frames: { frameId: FrameId; attemptId: AttemptId; number: number }[];
}

interface Candidate {
  frameId: FrameId;
  jobId: JobId;
  number: number;
  failedOn: string[];
}

/**
 * Leases frames of jobs that are rendering: locks enqueued frames that nobody else is leasing, and writes leases, attempts and frames
 * in one statement. Plans for which no frame is left are left out of the answer. `term` is the scheduler's, checked by the caller.
 */
export async function leaseFrames(
  tx: Tx,
  plans: readonly LeasePlan[],
  options: { rules: ReadonlyMap<string, RetryRules>; term: number },
): Promise<WrittenLease[]> {
  const candidates = await lockCandidates(tx, plans, options.rules);
  const leases = assign(plans, candidates, options.rules);
  if (leases.length === 0) return [];
  await publishFrames(tx, await writeLeases(tx, leases, options.term));
  return leases;
}

async function lockCandidates(
  tx: Tx,
  plans: readonly LeasePlan[],
  rules: ReadonlyMap<string, RetryRules>,
): Promise<Candidate[]> {
  const wanted = new Map<string, number>();
  for (const plan of plans) {
    wanted.set(plan.jobId, (wanted.get(plan.jobId) ?? rules.get(plan.jobId)?.retries ?? 0) + plan.frames);
  }
  const wants = [...wanted].map(([jobId, frames]) => ({ jobId, frames }));
  // Shared locks on the jobs: one that is being paused or canceled waits, and then sees these leases.
  const { rows } = await sql<Candidate>`
    with job as materialized (
      select job_id from jobs
      where job_id = any(${[...wanted.keys()]}::text[]) and status = 'rendering'
      order by job_id
      for share
    )
    select f.frame_id as "frameId", f.job_id as "jobId", f.number, f.failed_on as "failedOn"
    from jsonb_to_recordset(${JSON.stringify(wants)}::jsonb) as want ("jobId" text, frames integer)
    join job on job.job_id = want."jobId"
    cross join lateral (
      select * from frames
      where frames.job_id = job.job_id and frames.status = 'enqueued'
      order by failures, number
      limit want.frames
      for update skip locked
    ) f
    order by f.failures, f.number`.execute(tx);
  return rows;
}

/** Deals the locked frames out to the plans, in order. */
function assign(
  plans: readonly LeasePlan[],
  candidates: readonly Candidate[],
  rules: ReadonlyMap<string, RetryRules>,
): WrittenLease[] {
  const left = Map.groupBy(candidates, (candidate) => candidate.jobId);
  const leases: WrittenLease[] = [];
  for (const { frames: wanted, ...plan } of plans) {
    const taken: Candidate[] = [];
    const kept: Candidate[] = [];
    for (const candidate of left.get(plan.jobId) ?? []) {
      const eligible = rules.get(plan.jobId)?.eligibleWorkers ?? [];
      if (taken.length < wanted && mayTry(candidate.failedOn, plan.workerId, eligible)) taken.push(candidate);
      else kept.push(candidate);
    }
    left.set(plan.jobId, kept);
    if (taken.length === 0) continue;
    taken.sort((a, b) => a.number - b.number);
    leases.push({
      ...plan,
      leaseId: newId('lse'),
      token: randomBytes(24).toString('base64url'),
      frames: taken.map(({ frameId, number }) => ({ frameId, attemptId: newId('att'), number })),
    });
  }
  return leases;
}

/** Whether a worker may try a frame: one on which it failed goes to another first, while another can render it. */
export function mayTry(failedOn: readonly string[], workerId: string, eligibleWorkers: readonly string[]): boolean {
  return !failedOn.includes(workerId) || eligibleWorkers.every((other) => failedOn.includes(other));
}

async function writeLeases(tx: Tx, leases: readonly WrittenLease[], term: number): Promise<ChangedFrame[]> {
  const rows = leases.flatMap((lease) => lease.frames.map((frame) => ({ leaseId: lease.leaseId, ...frame })));
  const heads = leases.map(({ frames, ...lease }) => ({ ...lease, framesLeft: frames.length }));
  const written = await sql<ChangedFrame>`
    with lease as (
      insert into leases
        (lease_id, token, job_id, worker_id, device_id, blender_sha256, play_from, frames_left, term, expires_at)
      select "leaseId", token, "jobId", "workerId", "deviceId", "blenderSha256", "playFrom", "framesLeft", ${term},
        now() + make_interval(secs => ${LEASE_SECONDS})
      from jsonb_to_recordset(${JSON.stringify(heads)}::jsonb) as head
        ("leaseId" text, token text, "jobId" text, "workerId" text, "deviceId" text, "blenderSha256" text,
         "playFrom" integer, "framesLeft" integer)
      returning lease_id, worker_id, device_id, blender_sha256
    ), frame as (
      update frames f
      set status = 'processing'
      from unnest(
        ${rows.map((row) => row.frameId)}::text[],
        ${rows.map((row) => row.attemptId)}::text[],
        ${rows.map((row) => row.leaseId)}::text[]
      ) as row (frame_id, attempt_id, lease_id)
      where f.frame_id = row.frame_id and f.status = 'enqueued'
      returning f.frame_id, f.job_id, f.number, f.message, row.attempt_id, row.lease_id
    ), attempt as (
      insert into attempts (attempt_id, frame_id, job_id, lease_id, worker_id, device_id, blender_sha256)
      select frame.attempt_id, frame.frame_id, frame.job_id, lease_id, lease.worker_id, lease.device_id,
        lease.blender_sha256
      from frame join lease using (lease_id)
      returning frame_id, worker_id
    )
    select frame.job_id as "jobId", frame_id as "frameId", frame.number, 'processing' as status,
      workers.name as "workerName", null as "renderSeconds", frame.message
    from attempt join frame using (frame_id) join workers using (worker_id)
    order by frame.number`.execute(tx);
  if (written.rows.length !== rows.length) throw new Error('a locked frame was not enqueued any more');
  return written.rows;
}
