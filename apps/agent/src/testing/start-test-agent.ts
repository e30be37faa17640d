import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { AgentEvent } from '../agent-events.ts';
import { waitUntil } from './wait-until.ts';

/** An agent in a process of its own, as users run it. */
export interface TestAgent {
  child: ChildProcess;
  pid: number;
  events: AgentEvent[];
  stderr(): string;
  exited: Promise<number | null>;
  /** Waits until an event of that name was printed, and returns the first. */
  event<Name extends AgentEvent['event']>(name: Name): Promise<Extract<AgentEvent, { event: Name }>>;
}

export interface TestAgentOptions {
  server: string;
  /** Its data folder and its config lie here. */
  folder: string;
  /** PICTOR_HOME: agents that share it probe Blender once. */
  home: string;
  args?: string[];
}

export async function startTestAgent({ server, folder, home, args = [] }: TestAgentOptions): Promise<TestAgent> {
  const configFile = join(folder, 'worker-config.json');
  const config = { server, workerId: 'wrk_00000001', name: 'test', enrolmentCode: 'code' };
  await writeFile(configFile, JSON.stringify(config));
  const main = join(import.meta.dirname, '../main.ts');
  // `env` becomes the agent, so that its process id is the agent's.
  const child = spawn(
    'env',
    [
      `PICTOR_HOME=${home}`,
      process.execPath,
      main,
      'run',
      '--config',
      configFile,
      '--data',
      join(folder, 'data'),
      ...args,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  );
  const events: AgentEvent[] = [];
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on('line', (line) => events.push(JSON.parse(line)));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return {
    child,
    pid: child.pid ?? -1,
    events,
    stderr: () => stderr,
    exited,
    event: (name) =>
      waitUntil(`event ${name} of the agent, stderr: ${stderr}`, () => {
        const found = events.find(({ event }) => event === name);
        return found as Extract<AgentEvent, { event: typeof name }> | undefined;
      }),
  };
}

/** The processes below one, by their ids. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const found: number[] = [];
  const look = (parent: number): void => {
    for (const child of children.get(parent) ?? []) {
      found.push(child);
      look(child);
    }
  };
  look(pid);
  return found;
}

/** Whether a process runs; one that is dead but not reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}
