import type { DeliveredOutput, JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import type { ExpectedOutputs } from './expected-outputs.ts';

/** A delivered frame that waits to be checked. */
export interface DeliveredFrame {
  jobId: JobId;
  frameId: string;
  attemptId: string;
  number: number;
  expected: ExpectedOutputs;
  outputs: Pick<DeliveredOutput, 'kind' | 'path' | 'sizeBytes' | 'chunks' | 'width' | 'height'>[];
}

/** Some of the frames that wait to be checked, at most `limit`. */
export async function listDelivered(db: Db, limit: number): Promise<DeliveredFrame[]> {
  const { rows } = await sql<DeliveredFrame>`
    select f.job_id as "jobId", f.frame_id as "frameId", a.attempt_id as "attemptId", f.number,
      j.expected_outputs as expected,
      (select jsonb_agg(jsonb_build_object('kind', o.kind, 'path', o.path, 'sizeBytes', o.size_bytes, 'chunks', o.chunks,
          'width', o.width, 'height', o.height) order by o.path)
        from outputs o where o.attempt_id = a.attempt_id) as outputs
    from frames f
    join jobs j using (job_id)
    join attempts a on a.frame_id = f.frame_id and a.status = 'delivered'
    where f.status = 'verifying'
    limit ${limit}`.execute(db);
  return rows;
}
