import { type ApiClient, createApiClient } from '@pictor/api-client';
import { PictorError } from '@pictor/protocol';
import { config } from '../config.ts';
import { type FoundServer, findServers, probeServer } from './find-servers.ts';

export interface ServerOptions {
  server?: string;
  token?: string;
}

export interface Connection {
  url: string;
  client: ApiClient;
}

/**
 * The server that was named (--server, PICTOR_SERVER), else the one that is up on this machine, else null.
 *
 * @throws PictorError `usage` (not an address), `unauthenticated` (no token), `server-unreachable`
 */
export async function connect(options: ServerOptions): Promise<Connection | null> {
  const named = options.server ?? config.server;
  const found = await findServers();
  if (named !== null && named !== undefined) return connectTo(named, options.token ?? config.token, found);
  const own = found.find((server) => server.purpose !== 'job');
  return own ? open(own) : null;
}

/** Like `connect`, for commands that need a server. */
export async function connectOrFail(options: ServerOptions): Promise<Connection> {
  const connection = await connect(options);
  if (!connection) throw noServer();
  return connection;
}

/** The server that has a job: the named one, or any that is up here, those of renders in the background included. */
export async function connectForJob(options: ServerOptions, jobId: string): Promise<Connection> {
  if (options.server ?? config.server) return connectOrFail(options);
  const found = await findServers();
  if (found.length === 0) throw noServer();
  for (const server of found) {
    const connection = open(server);
    const { jobs } = await connection.client.listJobs({});
    if (jobs.some((job) => job.jobId === jobId)) return connection;
  }
  throw new PictorError(
    'not-found',
    `There is no job ${jobId} on ${found.map((server) => server.url).join(', ')}. "pictor job list" shows those there are.`,
  );
}

/** Every server that is up here, or the named one. */
export async function connectToAll(options: ServerOptions): Promise<Connection[]> {
  if (options.server ?? config.server) return [await connectOrFail(options)];
  const found = await findServers();
  if (found.length === 0) throw noServer();
  return found.map(open);
}

function open(server: FoundServer): Connection {
  return { url: server.url, client: createApiClient({ url: server.url, token: server.token }) };
}

async function connectTo(named: string, token: string | null, found: FoundServer[]): Promise<Connection> {
  const url = readUrl(named);
  const own = found.find((server) => new URL(server.url).host === new URL(url).host);
  const problem = own ? null : await probeServer(url);
  if (problem !== null) {
    throw new PictorError(
      'server-unreachable',
      `There is no Pictor server to be reached at ${url}: ${problem}. Check the address, or start a server there with "pictor up".`,
    );
  }
  const usable = token ?? own?.token;
  if (!usable) {
    throw new PictorError(
      'unauthenticated',
      `The server ${url} wants the operator's token: give --token, or set PICTOR_TOKEN. It stands in operator-token in the server's data folder.`,
    );
  }
  return { url, client: createApiClient({ url, token: usable }) };
}

function readUrl(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname) return url.origin;
  throw new PictorError('usage', `${JSON.stringify(text)} is no server's address. Write it like http://10.0.0.5:7878.`);
}

function noServer(): PictorError {
  return new PictorError(
    'server-unreachable',
    'No server is up on this machine. Start one with "pictor up", or name one with --server URL.',
  );
}
