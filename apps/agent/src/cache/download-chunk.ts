import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type ChunkClient, ChunkError } from '../content/chunk-client.ts';
import { retryTransfer } from '../content/retry-transfer.ts';
import type { Need } from './share-downloads.ts';

export interface WantedChunk {
  sha256: string;
  sizeBytes: number;
  /** Where its first byte goes in the file. */
  position: number;
}

/** Streams one chunk into its place in an open file, checking size and hash while it passes. Throws ChunkError. */
export function downloadChunk(client: ChunkClient, chunk: WantedChunk, into: FileHandle, need: Need): Promise<void> {
  return retryTransfer(need.grant, need.signal, async (grant) => {
    const stream = await client.get(chunk.sha256, grant, need.signal);
    const hash = createHash('sha256');
    let received = 0;
    try {
      for await (const piece of readPieces(stream)) {
        if (received + piece.length > chunk.sizeBytes) {
          throw new ChunkError('mismatch', `chunk ${chunk.sha256} is longer than its ${chunk.sizeBytes} bytes`);
        }
        hash.update(piece);
        await into.write(piece, 0, piece.length, chunk.position + received);
        received += piece.length;
      }
    } finally {
      stream.destroy();
    }
    if (received !== chunk.sizeBytes || hash.digest('hex') !== chunk.sha256) {
      throw new ChunkError('mismatch', `chunk ${chunk.sha256} came with other bytes (${received})`);
    }
  });
}

/** Tells a line that broke (worth another try) from a disk that is full (not). */
async function* readPieces(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const pieces = stream[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Buffer>;
    try {
      next = await pieces.next();
    } catch (error) {
      throw new ChunkError('unreachable', (error as Error).message, { cause: error });
    }
    if (next.done) {
      return;
    }
    yield next.value;
  }
}
