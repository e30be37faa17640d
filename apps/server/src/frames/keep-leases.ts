import { sql } from 'kysely';
import type { Db } from '../db/index.ts';

/** A lease as its holder names it: without the right token it is nobody's. */
export interface LeaseClaim {
  workerId: string;
  leaseId: string;
  token: string;
}

/**
 * Renews leases that live, many at once (SPEC.md L2). Returns the ids of those renewed; the others are not their holder's any more: a
 * renewal never revives a lease whose time is over.
 */
export async function renewLeases(db: Db, claims: readonly LeaseClaim[], leaseSeconds: number): Promise<Set<string>> {
  if (claims.length === 0) return new Set();
  const { rows } = await sql<{ leaseId: string }>`
    update leases l
    set expires_at = now() + make_interval(secs => ${leaseSeconds})
    from unnest(
      ${claims.map((claim) => claim.leaseId)}::text[],
      ${claims.map((claim) => claim.token)}::text[],
      ${claims.map((claim) => claim.workerId)}::text[]
    ) as claim (lease_id, token, worker_id)
    where l.lease_id = claim.lease_id
      and l.token = claim.token
      and l.worker_id = claim.worker_id
      and l.ended_at is null
      and l.expires_at > now()
    returning l.lease_id as "leaseId"`.execute(db);
  return new Set(rows.map((row) => row.leaseId));
}

/**
 * Gives every live lease its full time again. Called once when a scheduler takes over: while no server ran no agent could renew, and
 * what they rendered meanwhile must not be lost.
 */
export async function prolongLeases(db: Db, leaseSeconds: number): Promise<void> {
  await sql`
    update leases
    set expires_at = greatest(expires_at, now() + make_interval(secs => ${leaseSeconds}))
    where ended_at is null`.execute(db);
}
