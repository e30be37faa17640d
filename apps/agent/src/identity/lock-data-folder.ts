import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PictorError } from '@pictor/protocol';

/**
 * Takes the data folder for this process; a folder whose owner died is taken over. The lock names the process and when it was
 * started, since process ids are used again. Returns what gives the folder back. Throws PictorError `already-running`.
 */
export async function lockDataFolder(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'agent.lock');
  const mine = `${path}.${process.pid}`;
  const content = JSON.stringify({ pid: process.pid, startTime: await processStartTime(process.pid) });
  await writeFile(mine, content, { mode: 0o600 });
  try {
    // A link is there whole or not at all: nobody ever reads a lock that is half written.
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (await tryLink(mine, path)) {
        return async () => {
          if ((await readLock(path)) === content) {
            await unlink(path);
          }
        };
      }
      const found = await readLock(path);
      if (found !== null && (await isAlive(found))) {
        throw new PictorError(
          'already-running',
          `Another agent (process ${JSON.parse(found).pid}) uses ${dataDir}: stop it, or give this one its own folder with --data.`,
        );
      }
      if (found !== null) {
        await removeStale(path, mine, found);
      }
    }
    throw new PictorError('already-running', `Other agents are starting on ${dataDir} at the same time: try again.`);
  } finally {
    await unlink(mine);
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

/** Between reading the lock and removing it another agent may have taken it: what was taken away by mistake is put back. */
async function removeStale(path: string, mine: string, stale: string): Promise<void> {
  const aside = `${mine}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    throw error;
  }
  if ((await readLock(aside)) !== stale) {
    await tryLink(aside, path);
  }
  await unlink(aside);
}

async function readLock(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw error;
  }
}

async function isAlive(lock: string): Promise<boolean> {
  let owner: { pid: number; startTime: string | null };
  try {
    owner = JSON.parse(lock);
  } catch {
    return false;
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
      return false;
    }
  }
  return owner.startTime === (await processStartTime(owner.pid));
}

/** Clock ticks since boot at which the process started; null where it is dead but not yet reaped, or there is no /proc. */
async function processStartTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : (fields[18] ?? null);
  } catch {
    return null;
  }
}
