import type { Readable } from 'node:stream';

/** What arrives: pieces of one chunk. Throws at its end where the bytes are not those of the name, so that nothing is stored. */
export type ChunkSource = AsyncIterable<Buffer>;

/**
 * Where chunks are kept, by their SHA-256. A folder is one adapter; S3 is another: one object per chunk, written by one PUT that fails
 * where the source throws.
 */
export interface ObjectStore {
  /** Size in bytes, null where there is no such chunk. */
  chunkSize(sha256: string): Promise<number | null>;
  /** Stores a chunk when `source` has ended without an error, durably; until then it is not there. Throws `disk-full`. */
  writeChunk(sha256: string, source: ChunkSource): Promise<void>;
  /** The bytes `start` to `end`, both included, of a chunk that is there. */
  readChunk(sha256: string, range?: { start: number; end: number }): Readable;
}
