import type { WorkerStatus } from '@pictor/protocol';
import { type Db, withTransaction } from '../db/index.ts';
import {
  type ConnectedWorker,
  changeWorkerStatuses,
  type Presence,
  type WorkerStatusChange,
} from '../workers/index.ts';

/**
 * Writes what connected workers are doing, and that others have left. The one writer of these statuses in a process: two could
 * overtake each other and leave a worker shown as idle that is gone.
 */
export class WorkerStatusKeeper {
  readonly #db: Db;
  readonly #presence: Presence;
  readonly #written = new Map<string, { status: WorkerStatus; reason: string | null }>();

  constructor(db: Db, presence: Presence) {
    this.#db = db;
    this.#presence = presence;
  }

  /** Brings the statuses up to date. `leased`: workers that hold live leases. */
  async update(leased: ReadonlySet<string>): Promise<void> {
    const changes: WorkerStatusChange[] = [];
    const connected = this.#presence.list();
    for (const worker of connected) {
      const target = statusOf(worker, leased.has(worker.workerId));
      const written = this.#written.get(worker.workerId);
      if (written?.status === target.status && written.reason === target.reason) continue;
      changes.push({ workerId: worker.workerId, ...target });
    }
    const present = new Set<string>(connected.map((worker) => worker.workerId));
    for (const workerId of this.#written.keys()) {
      if (!present.has(workerId)) changes.push({ workerId, status: 'offline', reason: 'its agent is not connected' });
    }
    if (changes.length === 0) return;
    await withTransaction(this.#db, (tx) => changeWorkerStatuses(tx, changes), { repeatable: true });
    for (const { workerId, status, reason } of changes) {
      if (status === 'offline') this.#written.delete(workerId);
      else this.#written.set(workerId, { status, reason });
    }
  }
}

function statusOf(worker: ConnectedWorker, isLeased: boolean): { status: WorkerStatus; reason: string | null } {
  if (worker.isDrained) {
    return { status: isLeased ? 'draining' : 'paused', reason: 'its owner wants it to take no more work' };
  }
  if (worker.isDraining) return { status: 'draining', reason: 'its agent is stopping' };
  if (isLeased) return { status: 'rendering', reason: null };
  if (worker.capabilities === null) return { status: 'idle', reason: 'it has not said yet what it can do' };
  if (worker.capabilities.builds.length === 0) return { status: 'idle', reason: 'it has no Blender that works' };
  return { status: 'idle', reason: null };
}
