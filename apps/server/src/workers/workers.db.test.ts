import type { WorkerId, WorkerStatus } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withTransaction } from '../db/index.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { changeWorkerStatuses } from './change-worker-status.ts';
import { createWorker } from './create-worker.ts';
import { recordSequence } from './record-sequence.ts';
import { WORKER_TRANSITIONS } from './worker-transitions.ts';

let database: TestDatabase;
let workerId: WorkerId;
beforeAll(async () => {
  database = await startTestDatabase();
  workerId = (await createWorker(database.db, { ownerId: 'operator', name: 'studio' })).workerId;
});
afterAll(async () => {
  await database.stop();
});

describe(changeWorkerStatuses.name, () => {
  it('follows every arrow of the table, with an event, and refuses every other', async () => {
    const statuses = Object.keys(WORKER_TRANSITIONS) as WorkerStatus[];
    for (const from of statuses) {
      for (const status of statuses) {
        await sql`update workers set status = ${from}, status_reason = null`.execute(database.db);
        await sql`delete from outbox`.execute(database.db);
        const changes = [{ workerId, status, reason: null }];
        const changed = await withTransaction(database.db, (tx) => changeWorkerStatuses(tx, changes));
        const isArrow = WORKER_TRANSITIONS[from].includes(status);
        expect({ from, status, changed }).toEqual({ from, status, changed: isArrow ? [workerId] : [] });
        const { rows } = await sql<{ payload: object }>`select payload from outbox`.execute(database.db);
        const workers = [{ workerId, name: 'studio', status, reason: null }];
        expect(rows).toEqual(isArrow ? [{ payload: { type: 'workers.changed', workers } }] : []);
      }
    }
  });

  it('changes the reason of a status by itself', async () => {
    await sql`update workers set status = 'idle', status_reason = null`.execute(database.db);
    const change = (reason: string | null) =>
      withTransaction(database.db, (tx) => changeWorkerStatuses(tx, [{ workerId, status: 'idle', reason }]));
    expect(await change('it has no Blender')).toEqual([workerId]);
    expect(await change('it has no Blender')).toEqual([]);
    expect(await change(null)).toEqual([workerId]);
  });
});

describe(recordSequence.name, () => {
  it('takes each number once, also where two connections bring it at once', async () => {
    const take = (sequence: number) => withTransaction(database.db, (tx) => recordSequence(tx, workerId, sequence));
    expect((await Promise.all([take(1), take(1), take(1)])).filter(Boolean)).toHaveLength(1);
    expect(await take(2)).toBe(true);
    expect(await take(1)).toBe(false);
    expect(await take(5)).toBe(true);
  });
});
