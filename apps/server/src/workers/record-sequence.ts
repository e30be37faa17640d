import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';

/**
 * Takes a report's number, in the transaction that records what it says (SPEC.md R1, R2). False where it was taken before. Numbers may
 * be left out: what an agent lost for good must not stop it for ever. Locks the worker's row, so that of one report that comes over two
 * connections one is recorded.
 */
export async function recordSequence(tx: Tx, workerId: string, sequence: number): Promise<boolean> {
  const { rows } = await sql`
    update workers set last_sequence = ${sequence}
    where worker_id = ${workerId} and last_sequence < ${sequence}
    returning worker_id`.execute(tx);
  return rows.length === 1;
}
