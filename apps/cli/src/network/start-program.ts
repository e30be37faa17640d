import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment, repositoryRoot } from '../config.ts';

/** A log file is started anew when it has grown past this; one older is kept beside it. */
const LOG_BYTES = 10 * 1024 * 1024;

export interface ProgramOptions {
  /** Below the clone, e.g. `apps/server/src/main.ts`. */
  script: string;
  args: string[];
  env?: Record<string, string>;
  /** Takes its stderr. */
  logFile: string;
  /** Called for each JSON line that it prints. */
  onEvent: (event: ProgramEvent) => void;
}

export type ProgramEvent = { event: string } & Record<string, unknown>;

export interface RunningProgram {
  pid: number;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  kill: (signal: NodeJS.Signals) => void;
}

/**
 * Starts a program of ours in a session of its own, so that Ctrl-C on the terminal reaches only who supervises it. It holds a pipe to
 * its standard input: the programs end by themselves when that closes, so none is left when the supervisor is killed.
 */
export function startProgram(options: ProgramOptions): RunningProgram {
  const log = openLog(options.logFile);
  const child = spawn(process.execPath, [join(repositoryRoot, options.script), ...options.args], {
    cwd: repositoryRoot,
    env: childEnvironment(options.env),
    stdio: ['pipe', 'pipe', log],
    detached: true,
  });
  closeSync(log);
  // Writing to one that has ended is no news: its end is reported by `exited`.
  child.stdin?.on('error', () => {});
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = readEvent(line);
      if (event) options.onEvent(event);
    });
  }
  const exited = Promise.race([
    // `close`, not `exit`: its last lines are read by then.
    once(child, 'close').then(([code, signal]) => ({ code, signal })),
    once(child, 'error').then(([error]) => {
      throw error;
    }),
  ]);
  exited.catch(() => {});
  return { pid: child.pid ?? -1, exited, kill: (signal) => void child.kill(signal) };
}

function readEvent(line: string): ProgramEvent | null {
  try {
    const event = JSON.parse(line);
    return typeof event?.event === 'string' ? event : null;
  } catch {
    return null;
  }
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}
