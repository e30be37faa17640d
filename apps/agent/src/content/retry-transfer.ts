import { setTimeout as wait } from 'node:timers/promises';
import { createBackoff } from '../connection/backoff.ts';
import { ChunkError } from './chunk-client.ts';

/** The grant that opens the content of a lease: heartbeats bring fresh ones. */
export interface GrantSource {
  current(): string;
  /** The current one was refused: have a fresh one sent soon. False where none will come. */
  refresh(): boolean;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 3_000;
/** Wrong bytes more often than this are no accident of the line. */
const MISMATCHES = 3;

/**
 * Tries a transfer until it succeeds, the signal aborts (its reason is thrown), or the server says what waiting does not change:
 * an unknown or forbidden chunk, or wrong bytes three times over (ChunkError).
 */
export async function retryTransfer<T>(
  grant: GrantSource,
  signal: AbortSignal,
  transfer: (grant: string) => Promise<T>,
): Promise<T> {
  const backoff = createBackoff(FIRST_WAIT_MS, LONGEST_WAIT_MS);
  let mismatches = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await transfer(grant.current());
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ChunkError) || error.problem === 'unknown-chunk' || error.problem === 'forbidden') {
        throw error;
      }
      if (error.problem === 'mismatch') {
        mismatches += 1;
        if (mismatches >= MISMATCHES) {
          throw error;
        }
      }
      if (error.problem === 'grant-expired' && !grant.refresh()) {
        throw error;
      }
    }
    await wait(backoff.nextMs(), undefined, { signal }).catch(() => undefined);
  }
}
