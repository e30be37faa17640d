import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createApiClient } from '@pictor/api-client';

/*
 * A whole network for tests and benchmarks: the server and agents as the separate processes that users run, real PostgreSQL, real
 * Blender. Only their command lines and environment are used; nothing is imported from an app.
 */

const root = join(import.meta.dirname, '..');

/** A program of ours that was started; `events` are the JSON lines it printed. */
export interface RunningProgram {
  child: ChildProcess;
  events: Record<string, unknown>[];
  log: () => string;
  /** Resolves with the first event (past or coming) of that name; rejects when the program ends before. */
  waitForEvent: (name: string) => Promise<Record<string, unknown>>;
  /** Sends the signal and waits for the end. */
  stop: (signal?: NodeJS.Signals) => Promise<void>;
}

export function startProgram(script: string, args: string[], env: Record<string, string> = {}): RunningProgram {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const events: Record<string, unknown>[] = [];
  const listeners = new Set<() => void>();
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-200_000);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    try {
      events.push(JSON.parse(line));
    } catch {
      log += `${line}\n`;
    }
    for (const listener of listeners) listener();
  });
  const exited = once(child, 'exit').then(() => {
    for (const listener of listeners) listener();
  });
  return {
    child,
    events,
    log: () => log,
    waitForEvent: (name) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = events.find((event) => event.event === name);
          if (!found && child.exitCode === null && child.signalCode === null) return;
          listeners.delete(look);
          if (found) resolve(found);
          else reject(new Error(`${script} ended before "${name}": ${JSON.stringify(events)}\n${log.slice(-4000)}`));
        };
        listeners.add(look);
        look();
      }),
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}

export interface Network {
  folder: string;
  url: string;
  client: ReturnType<typeof createApiClient>;
  server: RunningProgram;
  agents: RunningProgram[];
  /** Starts the server again on the same data and the same port, after it was killed. */
  restartServer: () => Promise<void>;
  /** Starts agent `index` again with its own config and data folder. */
  restartAgent: (index: number) => Promise<void>;
  addAgent: () => Promise<RunningProgram>;
  stop: () => Promise<void>;
}

/** Starts a network in a temporary folder. `env` goes to the server, `agentArgs` to every agent. */
export async function startNetwork(
  options: { agents?: number; env?: Record<string, string>; agentArgs?: string[] } = {},
): Promise<Network> {
  const folder = await mkdtemp(join(tmpdir(), 'pictor-network-'));
  const dataDir = join(folder, 'server');
  const startServer = async (listen: string) => {
    const server = startProgram('apps/server/src/main.ts', [], {
      PICTOR_DATA_DIR: dataDir,
      PICTOR_LISTEN: listen,
      PICTOR_EXIT_WITH_PARENT: '1',
      ...options.env,
    });
    const ready = await server.waitForEvent('ready');
    return { server, url: String(ready.url) };
  };
  const first = await startServer('127.0.0.1:0');
  const token = (await readFile(join(dataDir, 'operator-token'), 'utf8')).trim();
  const client = createApiClient({ url: first.url, token });

  const startAgent = async (index: number) => {
    const agent = startProgram('apps/agent/src/main.ts', [
      'run',
      '--config',
      join(folder, `worker-${index}.json`),
      '--data',
      join(folder, `agent-${index}`),
      '--exit-with-parent',
      ...(options.agentArgs ?? []),
    ]);
    await agent.waitForEvent('connected');
    return agent;
  };

  const network: Network = {
    folder,
    url: first.url,
    client,
    server: first.server,
    agents: [],
    restartServer: async () => {
      await network.server.stop('SIGKILL');
      network.server = (await startServer(new URL(first.url).host)).server;
    },
    restartAgent: async (index) => {
      await network.agents[index]?.stop('SIGKILL');
      network.agents[index] = await startAgent(index);
    },
    addAgent: async () => {
      const index = network.agents.length;
      const config = await client.createWorker({ body: { name: `agent-${index + 1}` } });
      await mkdir(join(folder, `agent-${index}`), { recursive: true });
      await writeFile(join(folder, `worker-${index}.json`), JSON.stringify(config));
      const agent = await startAgent(index);
      network.agents.push(agent);
      return agent;
    },
    stop: async () => {
      await Promise.all(network.agents.map((agent) => agent.stop()));
      await network.server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  for (let count = 0; count < (options.agents ?? 1); count++) await network.addAgent();
  return network;
}
