import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { withTransaction } from '../db/index.ts';
import { markAllOffline, recordLastSeen } from '../workers/index.ts';
import { AgentConnection } from './agent-connection.ts';
import type { GatewayDeps } from './gateway-deps.ts';
import { refusal } from './handshake.ts';
import { createProgressFeed } from './progress-feed.ts';
import { createRenewals } from './renewals.ts';

/** The door for agents. */
export interface Gateway {
  /** Tells the agents that the server stops, and ends when what they sent is recorded. */
  close(): Promise<void>;
}

const PATH = '/v1/agent';
/** The largest messages are inspections of projects with very many files. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
const PING_MS = 5000;
const SILENCE_MS = 15_000;
const LAST_SEEN_MS = 5000;

/** Takes WebSockets of agents on `/v1/agent` of an HTTP server. */
export async function attachGateway(server: Server, deps: GatewayDeps): Promise<Gateway> {
  // Nobody is connected yet, whatever the last run of the server has written.
  await withTransaction(deps.db, markAllOffline, { repeatable: true });
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const connections = new Set<AgentConnection>();
  const heard = new Set<string>();
  const progress = createProgressFeed(deps.presence, deps.feed);
  const shared = {
    ...deps,
    renewals: createRenewals(deps.db),
    progress,
    onHeard: (workerId: string) => heard.add(workerId),
    findOther: (workerId: string, self: AgentConnection) =>
      [...connections].find((other) => other !== self && other.worker?.workerId === workerId),
  };

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (new URL(request.url ?? '/', 'http://server').pathname !== PATH) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new AgentConnection(shared, webSocket);
      connections.add(connection);
      webSocket.on('close', () => connections.delete(connection));
    });
  };
  server.on('upgrade', upgrade);

  const pings = setInterval(() => {
    for (const connection of connections) connection.keepAlive(SILENCE_MS);
  }, PING_MS);
  const writeLastSeen = async () => {
    const workerIds = [...heard];
    heard.clear();
    await recordLastSeen(deps.db, workerIds);
  };
  const lastSeen = setInterval(() => {
    writeLastSeen().catch((error) => deps.log(`workers' last contact could not be written: ${error.message}`));
  }, LAST_SEEN_MS);

  return {
    async close() {
      server.off('upgrade', upgrade);
      clearInterval(pings);
      clearInterval(lastSeen);
      progress.close();
      const open = [...connections];
      for (const connection of open) connection.refuse(refusal('shutting-down'));
      await Promise.all(open.map((connection) => connection.idle));
      await writeLastSeen();
      sockets.close();
    },
  };
}
