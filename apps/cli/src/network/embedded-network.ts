import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApiClient } from '@pictor/api-client';
import { ERRORS, type ErrorCode, PictorError } from '@pictor/protocol';
import { childEnvironment, config, repositoryRoot } from '../config.ts';
import { unlessAborted } from '../terminal/interruption.ts';
import type { Connection } from './connect.ts';
import type { KeeperOrder } from './run-keeper.ts';
import type { ProgramEvent } from './start-program.ts';

/** A network of one's own, kept by a process of its own (see run-keeper.ts). */
export interface EmbeddedNetwork extends Connection {
  folder: string;
  /** Resolves when so many agents are connected; rejects when one cannot be started. */
  waitForAgents: (count: number) => Promise<void>;
  /** Rejects when the network breaks down; never resolves. */
  broken: Promise<never>;
  /** Leaves it running: until `pictor down`, or until the job is done and downloaded. Says where its log is. */
  leave: (order: Extract<KeeperOrder, { do: 'keep' | 'finish' }>) => Promise<{ logFile: string }>;
  /** Cancels what is left of its jobs and stops all its processes. */
  stop: () => Promise<void>;
}

const STOP_MS = 60_000;

/**
 * Starts a network of one's own. Its processes end with this one, however this one ends, unless it is told to go on with `leave`.
 *
 * @throws PictorError `setup-missing`, `already-running`, whatever the server could not start for
 */
export async function startEmbeddedNetwork(options: {
  agents: number;
  blenders: string[];
  signal: AbortSignal;
  onEvent: (event: ProgramEvent) => void;
}): Promise<EmbeddedNetwork> {
  const logFile = join(config.home, 'keeper.log');
  const keeper = spawnKeeper(options, logFile);
  const events: ProgramEvent[] = [];
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listener of listeners) listener();
  };
  createInterface({ input: keeper.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as ProgramEvent;
    events.push(event);
    options.onEvent(event);
    heard();
  });
  const ended = once(keeper, 'close').then(heard);
  const hasExited = () => keeper.exitCode !== null || keeper.signalCode !== null;

  const waitFor = <T>(look: () => T | null) =>
    new Promise<T>((resolve, reject) => {
      const check = () => {
        const problem = failureIn(events) ?? (hasExited() ? keeperGone(logFile) : null);
        const found = problem ? null : look();
        if (found === null && problem === null) return;
        listeners.delete(check);
        if (problem) reject(problem);
        else resolve(found as T);
      };
      listeners.add(check);
      check();
    });
  const order = (what: KeeperOrder) => keeper.stdin.write(`${JSON.stringify(what)}\n`);
  const stop = async () => {
    // The end of its input is the order to stop, and reaches it even where it does not read yet.
    keeper.stdin.end();
    const waiting = new AbortController();
    await Promise.race([ended, sleep(STOP_MS, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
    // Its programs end by themselves when it is gone.
    if (!hasExited()) keeper.kill('SIGKILL');
  };

  try {
    const ready = await unlessAborted(
      waitFor(() => events.find((event) => event.event === 'ready') ?? null),
      options.signal,
    );
    const url = String(ready.url);
    const broken = waitFor<never>(() => null);
    broken.catch(() => {});
    return {
      url,
      client: createApiClient({ url, token: String(ready.token) }),
      folder: String(ready.folder),
      broken,
      waitForAgents: async (count) => {
        await waitFor(() => (connectedAgents(events) >= count ? true : null));
      },
      leave: async (what) => {
        const taken = waitFor(() => events.find((event) => event.event === 'on-its-own') ?? null);
        order(what);
        await taken;
        keeper.unref();
        keeper.stdin.destroy();
        keeper.stdout.destroy();
        return { logFile };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function spawnKeeper(options: { agents: number; blenders: string[] }, logFile: string) {
  try {
    mkdirSync(config.home, { recursive: true, mode: 0o700 });
    const log = openSync(logFile, 'a', 0o600);
    const keeper = spawn(
      process.execPath,
      [
        join(repositoryRoot, 'apps/cli/src/main.ts'),
        'up',
        '--embedded',
        '--agents',
        String(options.agents),
        ...options.blenders.flatMap((path) => ['--blender', path]),
      ],
      // A session of its own: Ctrl-C on the terminal is the command's to answer.
      { cwd: repositoryRoot, env: childEnvironment(), stdio: ['pipe', 'pipe', log], detached: true },
    ) as ChildProcessByStdio<Writable, Readable, null>;
    closeSync(log);
    keeper.stdin.on('error', () => {});
    return keeper;
  } catch (cause) {
    throw new PictorError(
      'setup-missing',
      `Pictor cannot keep its data in ${config.home}: ${(cause as Error).message}. Make it writable, or set PICTOR_HOME to another folder.`,
      { cause },
    );
  }
}

function connectedAgents(events: ProgramEvent[]): number {
  return new Set(events.filter((event) => event.event === 'agent-connected').map((event) => event.agent)).size;
}

function failureIn(events: ProgramEvent[]): PictorError | null {
  for (const event of events) {
    if (event.event === 'failed' || event.event === 'server-failed' || event.event === 'agent-failed') {
      const code = Object.hasOwn(ERRORS, String(event.code)) ? (event.code as ErrorCode) : 'internal';
      return new PictorError(code, String(event.message));
    }
  }
  return null;
}

function keeperGone(logFile: string): PictorError {
  return new PictorError('internal', `The embedded network has stopped. Its log may say why: ${logFile}`);
}
