import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { PICTOR_VERSION, PictorError } from '@pictor/protocol';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { assetHandlers, createFolderStore } from './assets/index.ts';
import { startChecks } from './checks/index.ts';
import type { Config } from './config.ts';
import { holdDataFolder } from './data-folder.ts';
import { migrate, openDatabase, startEmbeddedPostgres } from './db/index.ts';
import { findOutput } from './frames/index.ts';
import { attachGateway } from './gateway/index.ts';
import { buildApp } from './http/index.ts';
import { createGrants, loadOperatorToken } from './identity/index.ts';
import { inspectionHandlers } from './inspections/index.ts';
import { jobHandlers } from './jobs/index.ts';
import { createEventFeed } from './outbox/index.ts';
import { startScheduler } from './scheduler/index.ts';
import { Presence, workerHandlers } from './workers/index.ts';

export interface RunningServer {
  url: string;
  /** Stops everything, in the opposite order of the start. */
  stop(): Promise<void>;
}

/** A private network has one operator, who owns everything in it. */
const OWNER_ID = 'operator';
/** So long replies under way may take when the server stops. */
const CLOSE_MS = 5000;
const CLOSE_LOOK_MS = 50;

/** Builds and starts all rooms on a data folder. What was started before something failed is stopped again. */
export async function startServer(config: Config, logger: FastifyBaseLogger): Promise<RunningServer> {
  const log = (message: string) => logger.warn(message);
  const stops: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const step of stops.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        logger.error({ err: error }, 'server.stop-failed');
      }
    }
  };
  try {
    const folder = await holdDataFolder(config.dataDir);
    stops.push(() => folder.release());
    const connection = await connectionTo(config, stops, log);
    const db = openDatabase(connection, log);
    stops.push(() => db.destroy());
    await migrate(db);

    const store = await createFolderStore(config.storeDir);
    const grants = await createGrants(config.dataDir);
    const operatorToken = await loadOperatorToken(config.dataDir);
    const feed = await createEventFeed({ db, connection, log });
    stops.push(() => feed.close());

    const presence = new Presence();
    const scheduler = startScheduler({ db, presence, grants, log });
    stops.push(() => scheduler.close());
    const checks = startChecks({ db, store, presence, onSettled: scheduler.wake, log });
    stops.push(() => checks.close());
    let url = '';
    const deps = { db, store, presence, ownerId: OWNER_ID, onChanged: scheduler.wake, onEnqueued: scheduler.wake };
    const app = buildApp({
      ...deps,
      ...{ grants, feed, operatorToken, logger },
      findOutput: (outputId) => findOutput(db, outputId),
      handlers: {
        health: async () => ({ status: 'ok', version: PICTOR_VERSION, workersOnline: presence.size }),
        ...assetHandlers(deps),
        ...inspectionHandlers(deps),
        ...workerHandlers({ ...deps, serverUrl: () => config.publicUrl ?? url }),
        ...jobHandlers(deps),
      },
    });
    const openRequests = countRequests(app);
    stops.push(() => closeApp(app, openRequests));
    const gateway = await attachGateway(app.server, { db, store, grants, presence, feed, scheduler, checks, log });
    stops.push(() => gateway.close());
    url = await listen(app, config.listen);
    // Streams of events end before the door closes, or it would wait for them.
    stops.push(() => feed.close());
    await folder.announce({ url, token: operatorToken });
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Connection = Parameters<typeof openDatabase>[0];

/** The database that was named, or an embedded one that stops with the server. */
async function connectionTo(
  config: Config,
  stops: (() => Promise<unknown> | unknown)[],
  log: (message: string) => void,
): Promise<Connection> {
  if (config.databaseUrl !== null) return { connectionString: config.databaseUrl };
  const postgres = await startEmbeddedPostgres({
    clusterDir: path.join(config.dataDir, 'postgres'),
    templateHome: config.home,
    durable: true,
    log,
  });
  stops.push(() => postgres.stop());
  return postgres.connection;
}

async function listen(app: FastifyInstance, address: { host: string; port: number }): Promise<string> {
  try {
    await app.listen(address);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const where = `${address.host}:${address.port}`;
    if (code === 'EADDRINUSE') {
      throw new PictorError(
        'already-running',
        `Something listens on ${where} already: stop it, or choose another address with PICTOR_LISTEN (port 0 takes a free one).`,
        { cause: error },
      );
    }
    throw new PictorError(
      'setup-missing',
      `The server cannot listen on ${where} (${message}): choose another PICTOR_LISTEN.`,
      {
        cause: error,
      },
    );
  }
  const { port } = app.server.address() as AddressInfo;
  // All addresses is no address: from this machine, the loopback one leads to it.
  const host = address.host === '0.0.0.0' ? '127.0.0.1' : address.host === '::' ? '::1' : address.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Ends when the requests under way are answered, or after `CLOSE_MS`. */
async function closeApp(app: FastifyInstance, openRequests: () => number): Promise<void> {
  const deadline = Date.now() + CLOSE_MS;
  // A connection on which nothing was ever asked is not idle to Node, and closing would wait for it.
  const timer = setInterval(() => {
    if (openRequests() === 0 || Date.now() > deadline) app.server.closeAllConnections();
  }, CLOSE_LOOK_MS);
  await app.close();
  clearInterval(timer);
}

function countRequests(app: FastifyInstance): () => number {
  let open = 0;
  app.server.on('request', (_request, response) => {
    open += 1;
    response.once('close', () => {
      open -= 1;
    });
  });
  return () => open;
}
