import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { log } from '../log.ts';

/**
 * Ends what an agent that was killed left of its sandboxes in `sessionsDir`. Sandboxes end with their agent, but a bubblewrap that
 * is killed between making its child and telling it to go on leaves that child waiting for ever. Returns how many were ended.
 */
export async function endLeftOver(sessionsDir: string): Promise<number> {
  let ended = 0;
  for (const name of await readdir('/proc').catch(() => [])) {
    if (/^\d+$/.test(name) && isOfSessions(await readArguments(name), sessionsDir)) {
      try {
        process.kill(Number(name), 'SIGKILL');
        ended += 1;
      } catch {
        // It has ended meanwhile, or is another user's.
      }
    }
  }
  if (ended > 0) {
    log('warn', 'Sandboxes of an agent that was killed were ended.', { sessionsDir, ended });
  }
  return ended;
}

function isOfSessions([command = '', ...args]: string[], sessionsDir: string): boolean {
  return basename(command) === 'bwrap' && args.some((argument) => argument.startsWith(`${sessionsDir}/`));
}

async function readArguments(pid: string): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0');
}
