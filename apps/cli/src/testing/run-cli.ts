import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { childEnvironment, repositoryRoot } from '../config.ts';

export interface CliRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface StartedCli {
  child: ChildProcess;
  /** What it printed so far on stdout. */
  stdout: () => string;
  ended: Promise<CliRun>;
  /** Resolves with the first match on stdout; rejects where it ends before. */
  waitFor: (pattern: RegExp) => Promise<RegExpMatchArray>;
}

/** Starts the command line as its users do, with a home of its own. */
export function startCli(
  args: string[],
  options: { home: string; cwd?: string; env?: Record<string, string> },
): StartedCli {
  const child = spawn(process.execPath, [join(repositoryRoot, 'apps/cli/src/main.ts'), ...args], {
    cwd: options.cwd ?? repositoryRoot,
    env: childEnvironment({ PICTOR_HOME: options.home, PICTOR_SERVER: '', PICTOR_TOKEN: '', ...options.env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let isOver = false;
  const ended = new Promise<CliRun>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      isOver = true;
      heard();
      resolve({ code, stdout, stderr });
    });
  });
  return {
    child,
    stdout: () => stdout,
    ended,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = stdout.match(pattern);
          if (!found && !isOver) return;
          listeners.delete(look);
          if (found) resolve(found);
          else reject(new Error(`it ended without ${pattern}:\n${stdout}\n${stderr}`));
        };
        listeners.add(look);
        look();
      }),
  };
}

export function runCli(
  args: string[],
  options: { home: string; cwd?: string; env?: Record<string, string> },
): Promise<CliRun> {
  return startCli(args, options).ended;
}
