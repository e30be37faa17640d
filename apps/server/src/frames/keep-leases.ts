import type { SnapshotId } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, type Tx, withTransaction } from '../db/index.ts';

/** How long a lease lives without being renewed (SPEC.md L1). */
export const LEASE_SECONDS = 30;

/** A lease as its holder names it: without the right token it is nobody's. */
export interface LeaseClaim {
  workerId: string;
  leaseId: string;
  token: string;
}

/**
 * Renews leases that live, many at once (SPEC.md L2). Returns those renewed with their snapshots; the others are not their holder's any
 * more: a renewal never revives a lease whose time is over.
 */
export async function renewLeases(db: Db, claims: readonly LeaseClaim[]): Promise<Map<string, SnapshotId>> {
  if (claims.length === 0) return new Map();
  const rows = await withTransaction(db, async (tx) => {
    // A renewal that a crash of the database undoes is made up for by the next one.
    await sql`set local synchronous_commit = off`.execute(tx);
    return renew(tx, claims);
  });
  return new Map(rows.map((row) => [row.leaseId, row.snapshotId]));
}

async function renew(tx: Tx, claims: readonly LeaseClaim[]) {
  const { rows } = await sql<{ leaseId: string; snapshotId: SnapshotId }>`
    update leases l
    set expires_at = now() + make_interval(secs => ${LEASE_SECONDS})
    from unnest(
      ${claims.map((claim) => claim.leaseId)}::text[],
      ${claims.map((claim) => claim.token)}::text[],
      ${claims.map((claim) => claim.workerId)}::text[]
    ) as claim (lease_id, token, worker_id),
      jobs j
    where j.job_id = l.job_id
      and l.lease_id = claim.lease_id
      and l.token = claim.token
      and l.worker_id = claim.worker_id
      and l.ended_at is null
      and l.expires_at > now()
    returning l.lease_id as "leaseId", j.snapshot_id as "snapshotId"`.execute(tx);
  return rows;
}

/**
 * Gives every live lease its full time again. Called once when a scheduler takes over: while no server ran no agent could renew, and
 * what they rendered meanwhile must not be lost.
 */
export async function prolongLeases(db: Db): Promise<void> {
  await sql`
    update leases
    set expires_at = greatest(expires_at, now() + make_interval(secs => ${LEASE_SECONDS}))
    where ended_at is null`.execute(db);
}
