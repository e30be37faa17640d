import type { SnapshotId } from '@pictor/protocol';
import type { Db } from '../db/index.ts';
import { type LeaseClaim, renewLeases } from '../frames/index.ts';

/** Renews the leases of many heartbeats with one statement. */
export interface Renewals {
  /** Which of these leases live on, with their snapshots. Throws where the database does not answer. */
  renew(claims: readonly LeaseClaim[]): Promise<ReadonlyMap<string, SnapshotId>>;
}

const GATHER_MS = 10;

/** Heartbeats that come within 10 ms share a statement. */
export function createRenewals(db: Db): Renewals {
  let gathering: { claims: LeaseClaim[]; renewed: Promise<ReadonlyMap<string, SnapshotId>> } | null = null;
  return {
    async renew(claims) {
      if (claims.length === 0) return new Map();
      if (!gathering) {
        const gathered: LeaseClaim[] = [];
        const renewed = new Promise<void>((resolve) => setTimeout(resolve, GATHER_MS)).then(() => {
          gathering = null;
          return renewLeases(db, gathered);
        });
        gathering = { claims: gathered, renewed };
      }
      gathering.claims.push(...claims);
      return gathering.renewed;
    },
  };
}
