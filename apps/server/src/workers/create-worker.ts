import { createHash, randomBytes } from 'node:crypto';
import type { WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import { newId } from '../identity/index.ts';

/** Registers a worker. The enrolment code is told once; only its hash is kept. */
export async function createWorker(
  db: Db,
  worker: { ownerId: string; name: string },
): Promise<{ workerId: WorkerId; name: string; enrolmentCode: string }> {
  const workerId = newId('wrk');
  const enrolmentCode = randomBytes(18).toString('base64url');
  await sql`
    insert into workers (worker_id, owner_id, name, enrolment_code_hash)
    values (${workerId}, ${worker.ownerId}, ${worker.name}, ${hashEnrolmentCode(enrolmentCode)})`.execute(db);
  return { workerId, name: worker.name, enrolmentCode };
}

/** How an enrolment code is stored. The code is random and long: a plain hash cannot be searched. */
export const hashEnrolmentCode = (code: string) => createHash('sha256').update(code).digest('hex');
