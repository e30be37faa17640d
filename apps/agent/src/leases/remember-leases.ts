import { readFile } from 'node:fs/promises';
import { LeaseId } from '@pictor/protocol';
import { z } from 'zod';
import { errorText, log } from '../log.ts';
import { writeAtomic } from '../write-atomic.ts';

const LeaseFile = z.array(z.object({ leaseId: LeaseId, token: z.string() }));
type HeldToken = z.infer<typeof LeaseFile>[number];

/**
 * Keeps on disk which leases are held: an agent that was killed gives them back as soon as it is up again, so that their frames
 * need not wait for the leases to expire.
 */
export interface LeaseMemory {
  /** What the agent before this one held when it died. */
  leftOver: readonly HeldToken[];
  /** Replaces what is kept. */
  keep(leases: HeldToken[]): void;
  /** Resolves when what was kept last is on disk. */
  written(): Promise<void>;
}

export async function rememberLeases(path: string): Promise<LeaseMemory> {
  let writing: Promise<void> = Promise.resolve();
  let kept = '';
  return {
    leftOver: await readLeftOver(path),
    keep(leases) {
      const content = JSON.stringify(leases);
      if (content === kept) {
        return;
      }
      kept = content;
      writing = writing.then(async () => {
        try {
          await writeAtomic(path, content, 0o600);
        } catch (error) {
          // Then a crash costs the time until the leases expire, nothing else.
          log('warn', 'The held leases could not be kept on disk.', { path, error: errorText(error) });
        }
      });
    },
    written: () => writing,
  };
}

async function readLeftOver(path: string): Promise<HeldToken[]> {
  try {
    return LeaseFile.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return [];
  }
}
