import { sql } from 'kysely';
import type { Tx } from '../db/index.ts';
import { type ChangedFrame, publishFrames } from './frame-events.ts';

/** Enqueues the failed frames of a job again, with all their tries, and forgives the workers that left it. Returns how many frames. */
export async function retryFrames(tx: Tx, jobId: string): Promise<number> {
  await sql`delete from departures where job_id = ${jobId}`.execute(tx);
  await sql`
    update frames set failures = 0, scene_failures = 0, failed_on = '{}'
    where job_id = ${jobId} and status = 'enqueued' and failures > 0`.execute(tx);
  const { rows } = await sql<ChangedFrame>`
    update frames
    set status = 'enqueued', failures = 0, scene_failures = 0, failed_on = '{}', failure = null, message = null
    where job_id = ${jobId} and status = 'failed'
    returning job_id as "jobId", frame_id as "frameId", number, status, null as "workerName", null as "renderSeconds",
      null as message`.execute(tx);
  await publishFrames(tx, rows);
  return rows.length;
}
