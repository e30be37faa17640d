import type { SnapshotManifest } from '@pictor/protocol';
import { getSnapshot } from '../assets/index.ts';
import type { Db } from '../db/index.ts';
import { LEASE_SECONDS, type WrittenLease } from '../frames/index.ts';
import type { Grants } from '../identity/index.ts';
import type { OpenJob } from '../jobs/index.ts';
import type { Presence } from '../workers/index.ts';

/** A grant outlives its lease's renewal a little: heartbeats bring fresh ones, but an upload that is under way uses the old one. */
export const GRANT_SECONDS = LEASE_SECONDS + 60;

/** Manifests of the snapshots that are being rendered: a large one takes long to read from the database for each lease. */
export class Manifests {
  readonly #db: Db;
  readonly #kept = new Map<string, Promise<SnapshotManifest>>();

  constructor(db: Db) {
    this.#db = db;
  }

  get(snapshotId: OpenJob['snapshotId']): Promise<SnapshotManifest> {
    const kept = this.#kept.get(snapshotId);
    if (kept) return kept;
    const read = getSnapshot(this.#db, snapshotId).then(({ files, remaps }) => ({ files, remaps }));
    this.#kept.set(snapshotId, read);
    read.catch(() => this.#kept.delete(snapshotId));
    return read;
  }

  /** Forgets all but these snapshots. */
  keepOnly(snapshotIds: ReadonlySet<string>): void {
    for (const snapshotId of this.#kept.keys()) if (!snapshotIds.has(snapshotId)) this.#kept.delete(snapshotId);
  }
}

/** Sends leases to their agents. One that is away gets what it does not know of with its first heartbeat when it is back. */
export async function pushLeases(
  deps: { presence: Presence; grants: Grants; manifests: Manifests },
  leases: readonly WrittenLease[],
  jobs: ReadonlyMap<string, OpenJob>,
): Promise<void> {
  for (const { playFrom, workerId, ...lease } of leases) {
    const job = jobs.get(lease.jobId);
    const worker = deps.presence.get(workerId);
    if (!job || !worker) continue;
    const manifest = await deps.manifests.get(job.snapshotId);
    worker.pushedLeases.add(lease.leaseId);
    for (const { attemptId, number } of lease.frames) worker.attempts.set(attemptId, { jobId: lease.jobId, number });
    worker.send({
      type: 'lease',
      lease: {
        ...lease,
        durationSeconds: LEASE_SECONDS,
        snapshotId: job.snapshotId,
        manifest,
        settings: job.settings,
        playFrom,
        timeouts: job.timeouts,
        memoryLimitBytes: job.memoryLimitBytes,
        ownerId: job.ownerId,
        grant: deps.grants.sign(
          { purpose: 'lease', leaseId: lease.leaseId, workerId: worker.workerId, snapshotId: job.snapshotId },
          GRANT_SECONDS,
        ),
      },
    });
  }
}
