import type { Readable } from 'node:stream';
import { CHUNK_BYTES, PictorError, Sha256 } from '@pictor/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isChunkOfSnapshot, type ObjectStore, receiveChunk } from '../assets/index.ts';
import type { Db } from '../db/index.ts';
import type { Grants } from '../identity/index.ts';
import { check } from './route.ts';

const Params = z.object({ sha256: Sha256 });
const GrantQuery = z.object({ grant: z.string().max(2048) });

/** Chunks up and down: rules S1 and S2. */
export function addChunkStreams(app: FastifyInstance, deps: { db: Db; store: ObjectStore; grants: Grants }): void {
  const { db, store, grants } = deps;
  app.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));

  const receive = async (request: FastifyRequest, reply: FastifyReply) => {
    const { sha256 } = check(Params, request.params, 'path');
    if (Number(request.headers['content-length']) > CHUNK_BYTES) {
      throw new PictorError('too-large', `A chunk holds at most ${CHUNK_BYTES} bytes: send larger files in several.`);
    }
    const body = request.body as Readable | undefined;
    if (typeof body?.pipe !== 'function') {
      throw new PictorError('validation', 'Send the bytes of the chunk as application/octet-stream.');
    }
    await receiveChunk(store, sha256, body);
    return reply.code(204).send();
  };

  app.put('/v1/chunks/:sha256', { config: { access: 'operator' } }, receive);

  app.put('/v1/agent/chunks/:sha256', { config: { access: 'grant' } }, async (request, reply) => {
    grants.verify(check(GrantQuery, request.query, 'query').grant);
    return receive(request, reply);
  });

  app.get('/v1/agent/chunks/:sha256', { config: { access: 'grant' } }, async (request, reply) => {
    const { sha256 } = check(Params, request.params, 'path');
    const { snapshotId } = grants.verify(check(GrantQuery, request.query, 'query').grant);
    if (!(await isChunkOfSnapshot(db, snapshotId, sha256))) {
      throw new PictorError('forbidden', `Chunk ${sha256} does not belong to the snapshot of this grant.`);
    }
    const sizeBytes = await store.chunkSize(sha256);
    if (sizeBytes === null) {
      throw new PictorError('not-found', `Chunk ${sha256} is gone from the object store: upload the project again.`);
    }
    return reply
      .headers({ 'content-length': sizeBytes, 'content-type': 'application/octet-stream' })
      .send(store.readChunk(sha256));
  });
}
