import type { RouteHandlers } from '@pictor/protocol';
import { type Db, withTransaction } from '../db/index.ts';
import { endWorkerLeases } from '../frames/index.ts';
import { createWorker } from './create-worker.ts';
import type { Presence } from './presence.ts';
import { getWorker, listWorkers } from './read-workers.ts';
import { drainWorker, resumeWorker, revokeWorker } from './steer-worker.ts';

/** The routes of this room, for `http`. `serverUrl` is what agents connect to; `onChanged` wakes the scheduler. */
export function workerHandlers(deps: {
  db: Db;
  ownerId: string;
  presence: Presence;
  serverUrl: () => string;
  onChanged: () => void;
}): RouteHandlers<'createWorker' | 'listWorkers' | 'drainWorker' | 'resumeWorker' | 'revokeWorker'> {
  const { db, ownerId, presence, onChanged } = deps;
  const wish = (workerId: string, isDrained: boolean) => {
    const connected = presence.get(workerId);
    if (connected) connected.isDrained = isDrained;
    onChanged();
  };
  return {
    async createWorker({ body }) {
      return { server: deps.serverUrl(), ...(await createWorker(db, { ownerId, name: body.name })) };
    },
    listWorkers: async () => ({ workers: await listWorkers(db) }),
    async drainWorker({ params: { workerId } }) {
      await withTransaction(db, (tx) => drainWorker(tx, workerId), { repeatable: true });
      wish(workerId, true);
      return getWorker(db, workerId);
    },
    async resumeWorker({ params: { workerId } }) {
      await withTransaction(db, (tx) => resumeWorker(tx, workerId), { repeatable: true });
      wish(workerId, false);
      return getWorker(db, workerId);
    },
    async revokeWorker({ params: { workerId } }) {
      await withTransaction(
        db,
        async (tx) => {
          await revokeWorker(tx, workerId);
          await endWorkerLeases(tx, workerId, 'the key of the worker was revoked');
        },
        { repeatable: true },
      );
      presence.get(workerId)?.refuse('revoked', 'The key of this worker was revoked by its owner.');
      onChanged();
      return getWorker(db, workerId);
    },
  };
}
