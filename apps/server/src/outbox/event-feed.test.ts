import type { JobEvent, JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, withTransaction } from '../db/index.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { createEventFeed, type EventFeed, type FeedItem } from './event-feed.ts';
import { type OutboxEvent, publish } from './publish.ts';
import { readOutbox, sweepOutbox } from './read-outbox.ts';

describe(createEventFeed.name, () => {
  let database: TestDatabase;
  let feed: EventFeed;
  beforeAll(async () => {
    database = await startTestDatabase();
    feed = await createEventFeed({ db: database.db, connection: database.connection, log: () => {} });
  });
  afterAll(async () => {
    await feed.close();
    await database.stop();
  });

  const send = (reason: string, jobId = 'job_00000001') =>
    withTransaction(database.db, (tx) => publish(tx, changed(reason, jobId)));

  it('loses no event of a transaction that commits after a younger one', async () => {
    const reader = read(null);
    await reader.take(1);
    const slow = await openTransaction(database);
    await publish(slow.tx, changed('slow'));
    await send('fast');
    expect((await readOutbox(database.db, reader.cursor(), null)).events).toEqual([]);
    await slow.commit();
    expect((await reader.take(2)).map(reasonOf)).toEqual(['slow', 'fast']);
    await reader.stop();
  });

  it('tells what was held back by a transaction that writes nothing and notifies nobody', async () => {
    const reader = read(null);
    await reader.take(1);
    const idle = await openTransaction(database);
    await sql`select pg_current_xact_id()`.execute(idle.tx);
    await send('held back');
    await idle.commit();
    expect((await reader.take(1)).map(reasonOf)).toEqual(['held back']);
    await reader.stop();
  });

  it('resumes after the cursor of the last event', async () => {
    const first = read(null);
    await first.take(1);
    await send('one');
    await first.take(1);
    await first.stop();
    await send('two');
    await send('three');
    const second = read(null, first.cursor());
    expect((await second.take(2)).map(reasonOf)).toEqual(['two', 'three']);
    await second.stop();
  });

  it('keeps the events of other jobs from a stream of one job', async () => {
    const reader = read('job_00000002');
    await reader.take(1);
    await send('other', 'job_00000003');
    await send('mine', 'job_00000002');
    expect((await reader.take(1)).map(reasonOf)).toEqual(['mine']);
    await reader.stop();
  });

  it('answers with resync where the cursor is older than what is kept, from another database, or nonsense', async () => {
    const reader = read(null);
    await reader.take(1);
    const early = reader.cursor();
    await send('old');
    await reader.take(1);
    await reader.stop();
    expect(await sweepOutbox(database.db, -1)).toBeGreaterThan(0);
    for (const cursor of [early, '999999999-1', 'x', '99999999999999999999-1']) {
      const again = read(null, cursor);
      expect((await again.take(1)).map((item) => item.event.type)).toEqual(['resync']);
      await again.stop();
    }
    const kept = read(null, reader.cursor());
    await send('new');
    expect((await kept.take(1)).map(reasonOf)).toEqual(['new']);
    await kept.stop();
  });

  it('gives progress to open streams without a cursor, only the latest to one that is slow', async () => {
    const reader = read('job_00000001');
    await reader.take(1);
    for (const fraction of [0.1, 0.2]) feed.broadcast(progress(fraction));
    const [item] = await reader.take(1);
    expect(item).toMatchObject({ cursor: null, event: { progress: [{ fraction: 0.2 }] } });
    await reader.stop();
  });

  it('goes on after PostgreSQL was killed', async () => {
    const reader = read(null);
    await reader.take(1);
    process.kill(database.postgres.pid(), 'SIGKILL');
    await send('after');
    expect((await reader.take(1)).map(reasonOf)).toEqual(['after']);
    await reader.stop();
  });

  function read(jobId: string | null, after: string | null = null) {
    const stop = new AbortController();
    const items = feed.subscribe({ jobId, after, signal: stop.signal })[Symbol.asyncIterator]();
    let cursor = after ?? '';
    return {
      cursor: () => cursor,
      async take(count: number): Promise<FeedItem[]> {
        const taken: FeedItem[] = [];
        while (taken.length < count) {
          const next = await items.next();
          if (next.done) throw new Error('the stream ended');
          taken.push(next.value);
          cursor = next.value.cursor ?? cursor;
        }
        return taken;
      },
      async stop() {
        stop.abort();
        await items.return?.();
      },
    };
  }
});

const changed = (reason: string, jobId = 'job_00000001'): OutboxEvent => ({
  type: 'job.changed',
  jobId: jobId as JobId,
  status: 'rendering',
  reason,
});

const reasonOf = (item: FeedItem) => (item.event as Extract<JobEvent, { type: 'job.changed' }>).reason;

const progress = (fraction: number): Extract<JobEvent, { type: 'frames.progress' }> => ({
  type: 'frames.progress',
  jobId: 'job_00000001' as JobId,
  progress: [
    { attemptId: 'att_00000001' as never, phase: 'rendering', fraction, elapsedSeconds: 1, number: 1, workerName: 'w' },
  ],
});

async function openTransaction(database: TestDatabase) {
  const db = openDatabase(database.connection, () => {});
  const tx = await db.startTransaction().execute();
  return {
    tx,
    async commit() {
      await tx.commit().execute();
      await db.destroy();
    },
  };
}
