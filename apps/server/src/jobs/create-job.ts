import { type CreateJob, type JobId, PictorError } from '@pictor/protocol';
import { sql } from 'kysely';
import type { z } from 'zod';
import { type Db, jsonb, withTransaction } from '../db/index.ts';
import { insertFrames } from '../frames/index.ts';
import { newId } from '../identity/index.ts';
import { getInspection } from '../inspections/index.ts';
import { publish } from '../outbox/index.ts';
import { listCapableWorkers } from '../workers/index.ts';
import { planJob } from './plan-job.ts';

/**
 * Creates a job and enqueues its frames; asked again with the same idempotency key, the job that is there. Throws `not-found`,
 * `inspection-failed`, `conflict` where the inspection is not over, `settings-invalid`, and what `planJob` throws.
 */
export async function createJob(db: Db, request: z.output<typeof CreateJob>, ownerId: string): Promise<JobId> {
  const existing = await findByKey(db, ownerId, request.idempotencyKey);
  if (existing) return existing;
  const { report, isBaked } = await getReport(db, request);
  const workers = (await listCapableWorkers(db)).filter(
    (worker) => worker.ownerId === ownerId || worker.capabilities.sandbox !== 'none',
  );
  const plan = planJob(request, report, workers, { isBaked });
  return withTransaction(
    db,
    async (tx) => {
      const jobId = newId('job');
      const { rows } = await sql`
        insert into jobs
          (job_id, owner_id, name, comment, status, snapshot_id, inspection_id, settings, requirements, expected_outputs,
           frames, frame_count, frames_per_node, is_sequential, play_from, timeouts, memory_limit_bytes, idempotency_key)
        values
          (${jobId}, ${ownerId}, ${request.name}, ${request.comment}, 'rendering', ${request.snapshotId},
           ${request.inspectionId}, ${jsonb(request.settings)}, ${jsonb(plan.requirements)},
           ${jsonb(plan.expectedOutputs)}, ${plan.frames}, ${plan.numbers.length}, ${request.framesPerNode ?? null},
           ${request.sequential}, ${plan.playFrom}, ${jsonb(request.timeouts)}, ${request.memoryLimitBytes},
           ${request.idempotencyKey ?? null})
        on conflict (owner_id, idempotency_key) do nothing
        returning job_id`.execute(tx);
      if (rows.length === 0) return (await findByKey(tx, ownerId, request.idempotencyKey)) as JobId;
      await insertFrames(tx, jobId, plan.numbers);
      await publish(tx, { type: 'job.changed', jobId, status: 'rendering', reason: null });
      return jobId;
    },
    { repeatable: request.idempotencyKey !== undefined },
  );
}

async function findByKey(db: Db, ownerId: string, key: string | undefined): Promise<JobId | undefined> {
  if (key === undefined) return undefined;
  const { rows } = await sql<{ jobId: JobId }>`
    select job_id as "jobId" from jobs where owner_id = ${ownerId} and idempotency_key = ${key}`.execute(db);
  return rows[0]?.jobId;
}

async function getReport(db: Db, request: z.output<typeof CreateJob>) {
  const inspection = await getInspection(db, request.inspectionId);
  // A bake is of the snapshot that it has made.
  const snapshotId = inspection.bakedSnapshotId ?? inspection.snapshotId;
  if (snapshotId !== request.snapshotId || inspection.file !== request.settings.file) {
    throw new PictorError(
      'settings-invalid',
      `The inspection ${request.inspectionId} is of ${inspection.file} in the snapshot ${snapshotId}, the job is of ` +
        `${request.settings.file} in ${request.snapshotId}: have that inspected.`,
    );
  }
  if (inspection.status === 'failed') {
    throw new PictorError('inspection-failed', inspection.failure ?? `${inspection.file} could not be inspected.`);
  }
  if (!inspection.report) {
    throw new PictorError(
      'conflict',
      `The inspection of ${inspection.file} is not over yet: wait until it has succeeded.`,
    );
  }
  return { report: inspection.report, isBaked: inspection.bakedSnapshotId !== null };
}
