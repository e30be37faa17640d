import type { JobEvent } from '@pictor/protocol';
import { sql } from 'kysely';
import { jsonb, type Tx } from '../db/index.ts';

/** Events that are kept: those of things that happened. */
export type OutboxEvent = Exclude<JobEvent, { type: 'frames.progress' | 'resync' }>;

/** The channel that says "there are new rows", without saying which. */
export const OUTBOX_CHANNEL = 'pictor_outbox';

/** Puts events into the outbox, in the transaction that they tell of: readers see them once it is committed, in order. */
export async function publish(tx: Tx, ...events: OutboxEvent[]): Promise<void> {
  if (events.length === 0) return;
  await tx
    .insertInto('outbox')
    .values(
      events.map((event) => ({
        topic: event.type,
        job_id: 'jobId' in event ? event.jobId : null,
        payload: jsonb(event),
      })),
    )
    .execute();
  await sql`select pg_notify(${OUTBOX_CHANNEL}, '')`.execute(tx);
}
