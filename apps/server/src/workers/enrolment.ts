import { sql } from 'kysely';
import type { Db, Tx } from '../db/index.ts';
import { hashEnrolmentCode } from './create-worker.ts';

/** What the handshake asks about a worker. */
export interface KnownWorker {
  workerId: string;
  ownerId: string;
  name: string;
  publicKey: string | null;
  /** The machine that enrolled. */
  hostname: string | null;
  isRevoked: boolean;
  isDrained: boolean;
  isCodeRight: boolean;
  lastSequence: number;
}

/** Looks a worker up for its handshake, comparing the code it shows; undefined where there is none. */
export async function findWorker(db: Db, workerId: string, code: string | undefined): Promise<KnownWorker | undefined> {
  const { rows } = await sql<KnownWorker>`
    select worker_id as "workerId", owner_id as "ownerId", name, public_key as "publicKey", hostname,
      revoked_at is not null as "isRevoked", is_drained as "isDrained", last_sequence as "lastSequence",
      enrolment_code_hash = ${hashEnrolmentCode(code ?? '')} as "isCodeRight"
    from workers
    where worker_id = ${workerId}`.execute(db);
  return rows[0];
}

/** Binds a key to a worker. False where it has one already: of two agents with one code the first wins. */
export async function enrolWorker(
  tx: Tx,
  enrolment: { workerId: string; code: string; publicKey: string; hostname: string },
): Promise<boolean> {
  const { rows } = await sql`
    update workers
    set public_key = ${enrolment.publicKey}, hostname = ${enrolment.hostname}, enrolled_at = now()
    where worker_id = ${enrolment.workerId}
      and public_key is null
      and revoked_at is null
      and enrolment_code_hash = ${hashEnrolmentCode(enrolment.code)}
    returning worker_id`.execute(tx);
  return rows.length === 1;
}
