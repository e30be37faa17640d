import { type Db, withTransaction } from '../db/index.ts';
import type { LiveLease } from '../frames/index.ts';
import { failJob, type OpenJob } from '../jobs/index.ts';
import { fitWorker, listCapableWorkers } from '../workers/index.ts';

/** A worker that went away may come back within this time; jobs wait for it before they are given up. */
const COMES_BACK_SECONDS = 60;

/** Fails jobs that every worker that can render them has left (design 5.11), with the reasons. Returns those that failed. */
export async function failAbandonedJobs(
  db: Db,
  jobs: readonly OpenJob[],
  leases: readonly LiveLease[],
): Promise<string[]> {
  const suspects = jobs.filter(
    (job) => job.departures.length > 0 && !leases.some((lease) => lease.jobId === job.jobId),
  );
  if (suspects.length === 0) return [];
  const workers = await listCapableWorkers(db, COMES_BACK_SECONDS);
  const failed: string[] = [];
  for (const job of suspects) {
    const left = new Map(job.departures.map(({ workerId, reason }) => [workerId, reason]));
    const remaining = workers.filter(
      (worker) =>
        !left.has(worker.workerId) &&
        (worker.ownerId === job.ownerId || worker.capabilities.sandbox !== 'none') &&
        fitWorker(job.requirements, worker.capabilities).fits,
    );
    if (remaining.length > 0) continue;
    const names = new Map(workers.map((worker) => [worker.workerId, worker.name]));
    const reasons = job.departures.map(({ workerId, reason }) => `${names.get(workerId) ?? workerId}: ${reason}`);
    const reason = `Every worker that can render this job has left it. ${reasons.join('; ')}`;
    if (await withTransaction(db, (tx) => failJob(tx, job.jobId, reason), { repeatable: true })) failed.push(job.jobId);
  }
  return failed;
}
