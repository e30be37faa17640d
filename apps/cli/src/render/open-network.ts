import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError, untestedBlender } from '@pictor/protocol';
import { type Connection, connect, type ServerOptions } from '../network/connect.ts';
import { type EmbeddedNetwork, startEmbeddedNetwork } from '../network/embedded-network.ts';
import type { Report } from '../terminal/cli-event.ts';

/** Where a job is rendered: on a server that is up, or on a network of one's own. */
export interface JobNetwork extends Connection {
  embedded: EmbeddedNetwork | null;
  /** Versions of the Blenders that its agents have; waits for the agents of an embedded network. */
  blenderVersions: () => Promise<string[]>;
  /** Stops what was started for the job. */
  close: () => Promise<void>;
}

/**
 * Opens the network for a job: the named server, else the one that is up here, else an embedded one.
 *
 * @throws PictorError where the server cannot be reached or nothing can be started
 */
export async function openNetwork(options: {
  server: ServerOptions;
  /** False: an embedded one in any case. */
  mayUseServer: boolean;
  agents: number;
  blenders: string[];
  report: Report;
  signal: AbortSignal;
}): Promise<JobNetwork> {
  const { report } = options;
  const connection = options.mayUseServer ? await connect(options.server) : null;
  if (connection) {
    report({ event: 'network', url: connection.url, embedded: false });
    return {
      ...connection,
      embedded: null,
      blenderVersions: () => listBlenderVersions(connection, report),
      close: async () => {},
    };
  }
  const embedded = await startEmbeddedNetwork({
    agents: options.agents,
    blenders: options.blenders,
    signal: options.signal,
    onEvent: (event) => {
      if (event.event !== 'restarted') return;
      report({ event: 'restarted', program: String(event.program), reason: String(event.reason) });
    },
  });
  report({ event: 'network', url: embedded.url, embedded: true });
  return {
    url: embedded.url,
    client: embedded.client,
    embedded,
    blenderVersions: async () => {
      await embedded.waitForAgents(1);
      return listBlenderVersions(embedded, report);
    },
    close: embedded.stop,
  };
}

/** An agent tells what it can do right after it has connected. */
const CAPABILITIES_MS = 10_000;

/**
 * The Blenders of the agents that are connected; of those that the tests do not run with a warning is given.
 *
 * @throws PictorError `no-agent-for-job` where no agent is connected
 */
async function listBlenderVersions(connection: Connection, report: Report): Promise<string[]> {
  for (const end = Date.now() + CAPABILITIES_MS; ; await sleep(50)) {
    const { workers } = await connection.client.listWorkers({});
    const online = workers.filter((worker) => worker.status !== 'offline');
    if (online.length === 0) {
      throw new PictorError(
        'no-agent-for-job',
        `No agent is connected to ${connection.url}, so nothing can be rendered. Start one: "pictor worker create NAME", then "pictor agent --config worker-config.json".`,
      );
    }
    const known = online.flatMap((worker) => worker.capabilities ?? []);
    if (known.length === 0 && Date.now() < end) continue;
    const versions = new Set(known.flatMap((capabilities) => capabilities.builds.map((build) => build.version)));
    for (const message of [...versions].flatMap((version) => untestedBlender(version) ?? [])) {
      report({ event: 'warning', message });
    }
    return [...versions];
  }
}
