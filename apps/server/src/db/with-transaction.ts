import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError } from '@pictor/protocol';
import type { Db, Tx } from './database.ts';

const RETRY_SECONDS = 30;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK_DETECTED = '40P01';

/**
 * Runs `work` in a transaction and commits. Where the database dies or a deadlock is broken before the commit was sent, `work` runs
 * again, for up to 30 s, so it must have no effects outside the database. Where the connection is lost during the commit, nobody knows
 * whether it happened: `database-unavailable` is thrown, or with `repeatable` (work that changes nothing the second time) it runs again.
 */
export async function withTransaction<T>(
  db: Db,
  work: (tx: Tx) => Promise<T>,
  options: { repeatable?: boolean } = {},
): Promise<T> {
  const deadline = Date.now() + RETRY_SECONDS * 1000;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
    let isCommitting = false;
    try {
      return await db.transaction().execute(async (tx) => {
        const result = await work(tx);
        isCommitting = true;
        return result;
      });
    } catch (error) {
      const isLost = error instanceof PictorError && error.code === 'database-unavailable';
      const code = (error as { code?: string }).code;
      const isSafeToRepeat =
        code === SERIALIZATION_FAILURE ||
        code === DEADLOCK_DETECTED ||
        (isLost && (!isCommitting || options.repeatable));
      if (!isSafeToRepeat || Date.now() > deadline) throw error;
      await sleep(waitMs * (0.5 + Math.random()));
    }
  }
}
