import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { config } from '../config.ts';
import { readKeeper } from './keeper-file.ts';

const ServerFile = z.object({ url: z.url(), pid: z.number().int(), token: z.string() });

/** A server of this user on this machine that answers. */
export interface FoundServer {
  url: string;
  token: string;
  folder: string;
  /** Null where it was started without the command line. */
  purpose: 'up' | 'kept' | 'job' | null;
}

/** The servers that are up here: the one of `pictor up` first, then embedded networks. */
export async function findServers(): Promise<FoundServer[]> {
  const names = await readdir(config.home).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const folders = names.filter((name) => /^(server|embedded(-\d+)?)$/.test(name)).sort(byServerFirst);
  const found = await Promise.all(folders.map((name) => look(join(config.home, name))));
  return found.filter((server) => server !== null);
}

function byServerFirst(a: string, b: string): number {
  if ((a === 'server') !== (b === 'server')) return a === 'server' ? -1 : 1;
  return a.localeCompare(b, 'en', { numeric: true });
}

async function look(folder: string): Promise<FoundServer | null> {
  const text = await readFile(join(folder, 'server.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  const file = ServerFile.safeParse(JSON.parse(text));
  if (!file.success || !isAlive(file.data.pid)) return null;
  const problem = await probeServer(file.data.url);
  if (problem !== null) return null;
  const keeper = await readKeeper(folder);
  return { url: file.data.url, token: file.data.token, folder, purpose: keeper?.purpose ?? null };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Asks a server whether it is there: null, or why not. */
export async function probeServer(url: string): Promise<string | null> {
  try {
    const reply = await fetch(new URL('/health', url), { signal: AbortSignal.timeout(5000) });
    const health = z.object({ status: z.literal('ok') }).safeParse(await reply.json());
    return health.success ? null : 'something answers there that is not a Pictor server';
  } catch (error) {
    if (error instanceof SyntaxError) return 'something answers there that is not a Pictor server';
    if ((error as Error).name === 'TimeoutError') return 'no answer within 5 seconds';
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    return cause?.code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : (cause?.message ?? cause?.code ?? (error as Error).message);
  }
}
