import { PictorError, type WorkerStatus } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { changeWorkerStatuses } from './change-worker-status.ts';

/** Its owner wants the worker to finish what is leased and take no more. Throws `not-found`, `conflict` where its key is revoked. */
export async function drainWorker(tx: Tx, workerId: string): Promise<void> {
  const worker = await wish(tx, workerId, true);
  if (worker.status === 'offline') return;
  const status = worker.isLeased ? 'draining' : 'paused';
  await changeWorkerStatuses(tx, [{ workerId, status, reason: 'its owner wants it to take no more work' }]);
}

/** The worker takes work again. Throws `not-found`, `conflict` where its key is revoked. */
export async function resumeWorker(tx: Tx, workerId: string): Promise<void> {
  const worker = await wish(tx, workerId, false);
  if (worker.status === 'offline') return;
  await changeWorkerStatuses(tx, [{ workerId, status: worker.isLeased ? 'rendering' : 'idle', reason: null }]);
}

/** Refuses the worker's key from now on. Its leases end by `endWorkerLeases`. Throws `not-found`. */
export async function revokeWorker(tx: Tx, workerId: string): Promise<void> {
  const { rows } = await sql`
    update workers set revoked_at = coalesce(revoked_at, now())
    where worker_id = ${workerId}
    returning worker_id`.execute(tx);
  if (rows.length === 0) throw notFound(workerId);
  await changeWorkerStatuses(tx, [{ workerId, status: 'suspended', reason: 'its key was revoked by its owner' }]);
}

async function wish(
  tx: Tx,
  workerId: string,
  isDrained: boolean,
): Promise<{ status: WorkerStatus; isRevoked: boolean; isLeased: boolean }> {
  const { rows } = await sql<{ status: WorkerStatus; isRevoked: boolean; isLeased: boolean }>`
    update workers w set is_drained = ${isDrained}
    where worker_id = ${workerId}
    returning status, revoked_at is not null as "isRevoked",
      exists (select from leases l where l.worker_id = w.worker_id and l.ended_at is null) as "isLeased"`.execute(tx);
  const worker = rows[0];
  if (!worker) throw notFound(workerId);
  if (worker.isRevoked) {
    throw new PictorError(
      'conflict',
      `The key of worker ${workerId} was revoked: create a worker anew for this machine.`,
    );
  }
  return worker;
}

const notFound = (workerId: string) =>
  new PictorError('not-found', `There is no worker ${workerId}. List them with: pictor worker list`);
