import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { CHUNK_BYTES, PictorError } from '@pictor/protocol';
import type { ChunkSource, ObjectStore } from './object-store.ts';

/**
 * Stores a chunk from a stream, its hash and size checked while it passes (rule C1): what is refused leaves nothing. A chunk that is there
 * already is read and dropped. Throws `chunk-mismatch`, `too-large`, `disk-full`.
 */
export async function receiveChunk(store: ObjectStore, sha256: string, source: Readable): Promise<void> {
  if ((await store.chunkSize(sha256)) !== null) {
    // The sender must be able to finish what it sends, or it takes the answer for a broken connection.
    for await (const _ of limited(source));
    return;
  }
  await store.writeChunk(sha256, verified(source, sha256));
}

async function* limited(source: Readable): ChunkSource {
  let bytes = 0;
  for await (const piece of source as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > CHUNK_BYTES) {
      throw new PictorError('too-large', `A chunk holds at most ${CHUNK_BYTES} bytes: send larger files in several.`);
    }
    yield piece;
  }
}

async function* verified(source: Readable, sha256: string): ChunkSource {
  const hash = createHash('sha256');
  for await (const piece of limited(source)) {
    hash.update(piece);
    yield piece;
  }
  const received = hash.digest('hex');
  if (received !== sha256) {
    throw new PictorError(
      'chunk-mismatch',
      `The bytes that arrived for chunk ${sha256} have the hash ${received}: they were damaged on the way, or the file changed. Send it again.`,
      { details: { expected: sha256, received } },
    );
  }
}
