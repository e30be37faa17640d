import type { RouteHandlers } from '@pictor/protocol';
import type { Db } from '../db/index.ts';
import { createSnapshot } from './create-snapshot.ts';
import { findMissingChunks } from './find-missing-chunks.ts';
import { getSnapshot } from './get-snapshot.ts';
import type { ObjectStore } from './object-store.ts';

/** The routes of this room, for `http`. */
export function assetHandlers(deps: {
  db: Db;
  store: ObjectStore;
  ownerId: string;
}): RouteHandlers<'findMissingChunks' | 'createSnapshot' | 'getSnapshot'> {
  return {
    findMissingChunks: async ({ body }) => ({ missing: await findMissingChunks(deps.store, body.chunks) }),
    createSnapshot: async ({ body }) => ({ snapshotId: await createSnapshot(deps.db, deps.store, body, deps.ownerId) }),
    getSnapshot: ({ params }) => getSnapshot(deps.db, params.snapshotId),
  };
}
