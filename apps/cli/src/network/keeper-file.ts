import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** Who keeps the network of a data folder running, so that other commands find it and can stop it. */
export const Keeper = z.object({
  pid: z.number().int(),
  /** Tells the process from a later one with the same number. */
  startTime: z.string(),
  /** `up`: a server by itself; `kept`: left by demo --keep; `job`: for the one job of a command. */
  purpose: z.enum(['up', 'kept', 'job']),
});
export type Keeper = z.infer<typeof Keeper>;

const path = (folder: string) => join(folder, 'keeper.json');

export async function writeKeeper(folder: string, purpose: Keeper['purpose']): Promise<void> {
  const keeper: Keeper = { pid: process.pid, startTime: (await readStartTime(process.pid)) ?? '', purpose };
  await writeFile(path(folder), JSON.stringify(keeper), { mode: 0o600 });
}

export async function removeKeeper(folder: string): Promise<void> {
  await rm(path(folder), { force: true });
}

/** The keeper of a data folder, or null where none is running. */
export async function readKeeper(folder: string): Promise<Keeper | null> {
  const text = await readFile(path(folder), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  if (text === '') return null;
  const keeper = Keeper.safeParse(JSON.parse(text));
  return keeper.success && (await isRunning(keeper.data)) ? keeper.data : null;
}

export async function isRunning(keeper: Keeper): Promise<boolean> {
  return (await readStartTime(keeper.pid)) === keeper.startTime;
}

/** When a process was started, in the kernel's ticks; null where there is none, or it has ended and nobody has asked how. */
async function readStartTime(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (stat === null) return null;
  // The name, in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? null : (fields[19] ?? null);
}
