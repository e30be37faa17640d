import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROUTES, type RouteHandlers, type RouteName, type SnapshotFile } from '@pictor/protocol';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { assetHandlers, createFolderStore, type ObjectStore } from '../assets/index.ts';
import { buildApp, type StoredOutput } from '../http/index.ts';
import { createGrants, type Grants } from '../identity/index.ts';
import { inspectionHandlers } from '../inspections/index.ts';
import { createEventFeed, type EventFeed } from '../outbox/index.ts';
import { startTestDatabase, type TestDatabase } from './test-database.ts';

/** The HTTP door on a real database and a real folder, listening on a free port, with the rooms of the data side behind it. */
export interface TestApp {
  app: FastifyInstance;
  url: string;
  token: string;
  storeDir: string;
  database: TestDatabase;
  store: ObjectStore;
  grants: Grants;
  feed: EventFeed;
  /** What `/v1/outputs/:outputId/content` knows. */
  outputs: Map<string, StoredOutput>;
  /** A request with the operator's token. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

/** Starts it. Routes of rooms that are not given in `handlers` fail. */
export async function startTestApp(handlers: Partial<RouteHandlers> = {}): Promise<TestApp> {
  const database = await startTestDatabase();
  const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  const storeDir = path.join(directory, 'store');
  const store = await createFolderStore(storeDir);
  const grants = await createGrants(directory);
  const feed = await createEventFeed({ db: database.db, connection: database.connection, log: () => {} });
  const outputs = new Map<string, StoredOutput>();
  const token = 'token-of-the-test';
  const deps = { db: database.db, store, ownerId: 'operator', onEnqueued: () => {} };
  const elsewhere = Object.fromEntries(
    (Object.keys(ROUTES) as RouteName[]).map((name) => [
      name,
      async () => {
        throw new Error(`${name} is not part of this test`);
      },
    ]),
  ) as unknown as RouteHandlers;
  const app = buildApp({
    ...deps,
    grants,
    feed,
    operatorToken: token,
    handlers: { ...elsewhere, ...assetHandlers(deps), ...inspectionHandlers(deps), ...handlers },
    findOutput: async (outputId) => outputs.get(outputId),
    logger: pino({ level: 'silent' }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return {
    ...{ app, url, token, storeDir, database, store, grants, feed, outputs },
    fetch: (path, init) =>
      fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...(init?.headers as object) } }),
    async stop() {
      await feed.close();
      app.server.closeAllConnections();
      await app.close();
      await database.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');

/** A file of one chunk, as a manifest names it. */
export function fileOf(path: string, bytes: Buffer): SnapshotFile {
  const chunks = bytes.length > 0 ? [sha256(bytes)] : [];
  return { path, sizeBytes: bytes.length, sha256: sha256(chunks.join('')), chunks };
}
