import { Readable } from 'node:stream';
import { JobId } from '@pictor/protocol';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { EventFeed } from '../outbox/index.ts';
import { check } from './route.ts';

const Query = z.object({ job: JobId.optional() });
/** A proxy closes a connection on which nothing moves, often after 30 or 60 s. */
const HEARTBEAT_MS = 15_000;
const RECONNECT_MS = 1000;
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** Events as server-sent events: rule S4. */
export function addEventStream(app: FastifyInstance, deps: { feed: EventFeed }): void {
  app.get('/v1/events', { config: { access: 'operator' } }, async (request, reply) => {
    const { job } = check(Query, request.query, 'query');
    const lastEventId = request.headers['last-event-id'];
    const ended = new AbortController();
    reply.raw.once('close', () => ended.abort());
    const items = deps.feed.subscribe({
      jobId: job ?? null,
      after: typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : null,
      signal: ended.signal,
    });

    const stream = new Readable({ read() {} });
    const heartbeat = setInterval(() => stream.push(':\n\n'), HEARTBEAT_MS);
    const pump = async () => {
      try {
        for await (const { cursor, event } of items) {
          const id = cursor === null ? '' : `id: ${cursor}\n`;
          // A reader that does not read: it comes back with its cursor.
          if (stream.readableLength > MAX_UNREAD_BYTES) return;
          stream.push(`${id}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
        }
      } catch (error) {
        request.log.warn({ err: error }, 'events.interrupted');
      } finally {
        clearInterval(heartbeat);
        ended.abort();
        stream.push(null);
      }
    };
    stream.push(`retry: ${RECONNECT_MS}\n\n`);
    void pump();
    return reply
      .headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' })
      .send(stream);
  });
}
