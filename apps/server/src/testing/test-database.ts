import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type pg from 'pg';
import { type Db, type EmbeddedPostgres, migrate, openDatabase, startEmbeddedPostgres } from '../db/index.ts';

/** Fresh clusters for tests are copied from here: inside the clone, so that tests touch nobody's home. */
export const TEMPLATE_HOME = path.join(import.meta.dirname, '../../../../node_modules/.cache/pictor');

/** A PostgreSQL of a test file's own, with the schema in place. */
export interface TestDatabase {
  db: Db;
  connection: pg.ClientConfig;
  postgres: EmbeddedPostgres;
  /** Closes the pool, stops the server, removes its folder. */
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL for one test file (a quarter of a second: a copied cluster, nothing synced to the disk). Call `stop` in
 * `afterAll`; where the test process is killed, the server stops with it.
 */
export async function startTestDatabase(options: { isMigrated?: boolean } = {}): Promise<TestDatabase> {
  const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  const log = () => {};
  const postgres = await startEmbeddedPostgres({
    clusterDir: path.join(directory, 'postgres'),
    templateHome: TEMPLATE_HOME,
    durable: false,
    log,
  });
  const db = openDatabase(postgres.connection, log);
  const stop = async () => {
    await db.destroy();
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    if (options.isMigrated ?? true) await migrate(db);
  } catch (error) {
    await stop();
    throw error;
  }
  return { db, connection: postgres.connection, postgres, stop };
}
