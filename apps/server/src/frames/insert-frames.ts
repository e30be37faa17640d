import type { JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';

/** Inserts the frames of a new job in one statement. Their ids follow from the job's and their place in it. */
export async function insertFrames(tx: Tx, jobId: JobId, numbers: readonly number[]): Promise<void> {
  const prefix = jobId.replace(/^job_/, 'frm_');
  await sql`
    insert into frames (frame_id, job_id, number)
    select ${prefix} || lpad((place - 1)::text, 6, '0'), ${jobId}, number
    from unnest(${numbers}::integer[]) with ordinality as wanted (number, place)`.execute(tx);
}
