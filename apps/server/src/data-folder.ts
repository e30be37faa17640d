import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PictorError } from '@pictor/protocol';

/** A data folder that this process alone serves. */
export interface DataFolder {
  /** Tells programs of this person where the server is: `server.json`, 0600. */
  announce(server: { url: string; token: string }): Promise<void>;
  /** Removes `server.json` and the lock. */
  release(): Promise<void>;
}

/** Takes a data folder, making it where there is none. Throws `already-running` where another live process has it. */
export async function holdDataFolder(dataDir: string): Promise<DataFolder> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = path.join(dataDir, 'server.lock');
  const announcement = path.join(dataDir, 'server.json');
  const own = await identify(process.pid);
  await takeLock(lock, own ?? String(process.pid), dataDir);
  // What a killed server left: its address leads nowhere.
  await rm(announcement, { force: true });
  return {
    async announce({ url, token }) {
      const unfinished = `${announcement}.new`;
      await writeFile(unfinished, `${JSON.stringify({ url, pid: process.pid, token })}\n`, { mode: 0o600 });
      await rename(unfinished, announcement);
    },
    async release() {
      await rm(announcement, { force: true });
      await rm(lock, { force: true });
    },
  };
}

async function takeLock(lock: string, own: string, dataDir: string): Promise<void> {
  const mine = `${lock}.${randomUUID()}`;
  await writeFile(mine, own, { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears whole and fails where one is there: no reader ever sees an empty lock.
        await link(mine, lock);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const held = await readFile(lock, 'utf8').catch(() => null);
      if (held === null) continue;
      const pid = Number.parseInt(held, 10);
      if ((await identify(pid)) === held) {
        throw new PictorError(
          'already-running',
          `A server (process ${pid}) is running on ${dataDir}: use that one, stop it, or choose another folder with PICTOR_DATA_DIR.`,
          { details: { pid } },
        );
      }
      // Away with the dead one's, unless somebody else took it over since: then theirs goes back.
      const stale = `${mine}.stale`;
      await rename(lock, stale).catch(() => {});
      if ((await readFile(stale, 'utf8').catch(() => held)) !== held) await link(stale, lock).catch(() => {});
      await rm(stale, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** A process as its number and the time of its start, which together are never used again; null where there is none. */
async function identify(pid: number): Promise<string | null> {
  if (!(pid > 0)) return null;
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (status === null) return null;
    // The name of the program, in parentheses, may itself hold spaces and parentheses.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    const isZombie = fields[0] === 'Z';
    return isZombie ? null : `${pid} ${fields[19]}`;
  }
  try {
    process.kill(pid, 0);
    return String(pid);
  } catch {
    return null;
  }
}
