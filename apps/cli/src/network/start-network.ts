import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERRORS, type ErrorCode, PictorError } from '@pictor/protocol';
import { prepareWorker } from './prepare-worker.ts';
import { type Supervised, supervise } from './supervise.ts';

export interface NetworkOptions {
  /** The server's data folder; agents and logs have folders below it. */
  dataDir: string;
  /** `host:port`; port 0 takes any. */
  listen: string;
  /** Address for agents on other machines, where it is not that of `listen`. */
  publicUrl?: string;
  agents: number;
  /** Blender programs for the agents beside those they find. */
  blenders: string[];
  onEvent: (event: NetworkEvent) => void;
}

/** What happens in a local network, for whoever started it. */
export type NetworkEvent =
  | { event: 'agent-connected'; agent: string }
  | { event: 'agent-failed'; agent: string; message: string }
  | { event: 'server-failed'; message: string }
  | { event: 'restarted'; program: string; reason: string };

export interface LocalNetwork {
  url: string;
  token: string;
  /** `drain`: agents finish the frames in work, else they stop at once. */
  stop: (options: { drain: boolean }) => Promise<void>;
}

/**
 * Starts a server and agents on this machine as processes of their own and keeps them running. Resolves when the server is ready;
 * agents connect by and by.
 *
 * @throws PictorError where the server does not start, e.g. `already-running`
 */
export async function startNetwork(options: NetworkOptions): Promise<LocalNetwork> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const server = await startServer(options);
  // Temporary files of agents, Blender and its sandbox: whichever of them is stopped in whatever way, they go with the network.
  const temporaryFolder = await mkdtemp(join(tmpdir(), 'pictor-network-'));
  await chmod(temporaryFolder, 0o711);
  const agents: Supervised[] = [];
  const network: LocalNetwork = {
    url: server.url,
    token: server.token,
    stop: async ({ drain }) => {
      await Promise.all(agents.map((agent) => agent.stop(drain ? DRAIN : AT_ONCE)));
      await rm(temporaryFolder, { recursive: true, force: true });
      await server.supervised.stop(STOP_SERVER);
    },
  };
  try {
    for (let index = 1; index <= options.agents; index++) {
      agents.push(await startAgent(`local-${index}`, network, temporaryFolder, options));
    }
  } catch (error) {
    await network.stop({ drain: false });
    throw error;
  }
  return network;
}

const DRAIN = [
  { signal: 'SIGTERM', waitMs: 24 * 3600 * 1000 },
  { signal: 'SIGTERM', waitMs: 10_000 },
] as const satisfies { signal: NodeJS.Signals; waitMs: number }[];
/** Without frames in work the first signal ends an agent soon, and leaves no temporary files. */
const AT_ONCE = [
  { signal: 'SIGTERM', waitMs: 3000 },
  { signal: 'SIGTERM', waitMs: 10_000 },
] as const satisfies { signal: NodeJS.Signals; waitMs: number }[];
const STOP_SERVER = [{ signal: 'SIGTERM', waitMs: 30_000 }] as const satisfies {
  signal: NodeJS.Signals;
  waitMs: number;
}[];

async function startServer(options: NetworkOptions) {
  const logFile = join(options.dataDir, 'logs/server.log');
  // A server that is started again must be found where it was: agents and the command line keep its address.
  let listen = options.listen;
  const ready = Promise.withResolvers<string>();
  let isReady = false;
  const supervised = supervise({
    program: () => ({
      script: 'apps/server/src/main.ts',
      args: [],
      env: {
        PICTOR_DATA_DIR: options.dataDir,
        PICTOR_LISTEN: listen,
        PICTOR_EXIT_WITH_PARENT: '1',
        ...(options.publicUrl === undefined ? {} : { PICTOR_PUBLIC_URL: options.publicUrl }),
      },
      logFile,
    }),
    workingEvent: 'ready',
    isFinal: () => !isReady,
    onEvent: (event) => {
      if (event.event !== 'ready') return;
      isReady = true;
      listen = new URL(String(event.url)).host;
      ready.resolve(String(event.url));
    },
    onRestart: (reason) => options.onEvent({ event: 'restarted', program: 'server', reason }),
    onGiveUp: (how, event) => {
      const message =
        event?.event === 'failed' ? String(event.message) : `The server ${how}. Its log says why: ${logFile}`;
      const code = Object.hasOwn(ERRORS, String(event?.code)) ? (event?.code as ErrorCode) : 'internal';
      ready.reject(new PictorError(code, message));
      if (isReady) options.onEvent({ event: 'server-failed', message });
    },
  });
  const url = await ready.promise;
  const token = (await readFile(join(options.dataDir, 'operator-token'), 'utf8')).trim();
  return { url, token, supervised };
}

async function startAgent(
  name: string,
  network: LocalNetwork,
  temporaryFolder: string,
  options: NetworkOptions,
): Promise<Supervised> {
  const folder = join(options.dataDir, 'agents', name);
  const { configFile, dataDir } = await prepareWorker({ name, folder, server: network });
  const logFile = join(options.dataDir, 'logs', `${name}.log`);
  return supervise({
    program: () => ({
      script: 'apps/agent/src/main.ts',
      args: [
        'run',
        '--config',
        configFile,
        '--data',
        dataDir,
        '--exit-with-parent',
        ...options.blenders.flatMap((path) => ['--blender', path]),
      ],
      env: { TMPDIR: temporaryFolder },
      logFile,
    }),
    workingEvent: 'connected',
    isFinal: (event) => event?.event === 'refused' || event?.event === 'failed',
    onEvent: (event) => {
      if (event.event === 'connected') options.onEvent({ event: 'agent-connected', agent: name });
    },
    onRestart: (reason) => options.onEvent({ event: 'restarted', program: `agent ${name}`, reason }),
    onGiveUp: (how, event) => {
      const said = typeof event?.message === 'string' ? event.message : `Its log says why: ${logFile}`;
      options.onEvent({ event: 'agent-failed', agent: name, message: `The agent ${name} ${how}. ${said}` });
    },
  });
}
