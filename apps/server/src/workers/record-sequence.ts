import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';

/**
 * Takes a report's number, in the transaction that records what it says (SPEC.md R1, R2). `duplicate` where it was taken before,
 * `gap` where one before it is missing. Locks the worker's row, so that two connections cannot record one report twice.
 */
export async function recordSequence(
  tx: Tx,
  workerId: string,
  sequence: number,
): Promise<'next' | 'duplicate' | 'gap'> {
  const { rows } = await sql<{ lastSequence: number }>`
    select last_sequence as "lastSequence" from workers where worker_id = ${workerId} for no key update`.execute(tx);
  const last = rows[0]?.lastSequence ?? 0;
  if (sequence <= last) return 'duplicate';
  if (sequence > last + 1) return 'gap';
  await sql`update workers set last_sequence = ${sequence} where worker_id = ${workerId}`.execute(tx);
  return 'next';
}
