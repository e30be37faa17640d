import { Readable } from 'node:stream';
import { CHUNK_BYTES } from '@pictor/protocol';
import type { ObjectStore } from './object-store.ts';

/** Streams the bytes `start` to `end`, both included, of a file that is a list of chunks. */
export function readContent(
  store: ObjectStore,
  file: { chunks: string[]; sizeBytes: number },
  range: { start: number; end: number } = { start: 0, end: file.sizeBytes - 1 },
): Readable {
  return Readable.from(readParts(store, file.chunks, range), { objectMode: false });
}

async function* readParts(store: ObjectStore, chunks: string[], range: { start: number; end: number }) {
  const first = Math.floor(range.start / CHUNK_BYTES);
  const last = Math.floor(range.end / CHUNK_BYTES);
  for (const [offset, sha256] of chunks.slice(first, last + 1).entries()) {
    const chunkStart = (first + offset) * CHUNK_BYTES;
    yield* store.readChunk(sha256, {
      start: Math.max(range.start - chunkStart, 0),
      end: Math.min(range.end - chunkStart, CHUNK_BYTES - 1),
    });
  }
}
