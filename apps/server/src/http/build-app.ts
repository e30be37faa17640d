import { type Access, PictorError, ROUTES, type RouteHandlers, type RouteName } from '@pictor/protocol';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { ObjectStore } from '../assets/index.ts';
import type { Db } from '../db/index.ts';
import { type Grants, tokensMatch } from '../identity/index.ts';
import type { EventFeed } from '../outbox/index.ts';
import { addChunkStreams } from './chunk-streams.ts';
import { addErrorMapping } from './error-mapping.ts';
import { addEventStream } from './event-stream.ts';
import { openApiDocument } from './openapi.ts';
import { addOutputStream, type StoredOutput } from './output-stream.ts';
import { addRoute } from './route.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call; a route without it does not start. */
    access?: Access;
  }
}

export interface AppDeps {
  db: Db;
  store: ObjectStore;
  grants: Grants;
  feed: EventFeed;
  operatorToken: string;
  handlers: RouteHandlers;
  /** A file of a frame, undefined where there is none. */
  findOutput(outputId: string): Promise<StoredOutput | undefined>;
  logger: FastifyBaseLogger;
}

/** A chunk over a slow line takes minutes; whoever sends nothing at all is cut off by the header timeout. */
const REQUEST_TIMEOUT_MS = 30 * 60 * 1000;

/** The HTTP door: every route of the protocol, the streams, errors and security headers. Listen on it, and close it to stop. */
export function buildApp(deps: AppDeps): FastifyInstance {
  const app = Fastify({
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    // Ids come from here alone: what a caller sends as a request id could be another's.
    requestIdHeader: false,
    genReqId: () => crypto.randomUUID(),
  });

  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined)
      throw new Error(`route ${route.method} ${route.url} does not say who may call`);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    // A path that is nothing has no rule, and nothing to tell.
    if (request.routeOptions.config.access !== 'operator') return;
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() === 'bearer' && token && tokensMatch(token, deps.operatorToken)) return;
    throw new PictorError(
      'unauthenticated',
      "This needs the operator's token: send it as Authorization: Bearer, it stands in operator-token in the server's data folder.",
    );
  });
  addErrorMapping(app);

  const addNamed = <Name extends RouteName>(name: Name) => addRoute(app, name, deps.handlers[name]);
  for (const name of Object.keys(ROUTES) as RouteName[]) addNamed(name);
  addChunkStreams(app, deps);
  addOutputStream(app, deps);
  addEventStream(app, deps);
  app.get('/v1/openapi.json', { config: { access: 'public' } }, async () => openApiDocument());
  return app;
}
