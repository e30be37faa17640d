import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { CHUNK_BYTES } from '@pictor/protocol';
import { allOrNone } from '../content/all-or-none.ts';
import type { ChunkClient } from '../content/chunk-client.ts';
import { type GrantSource, retryTransfer } from '../content/retry-transfer.ts';

/** A file as the protocol names it: its chunks, and the hash of their list (SPEC.md, C1 and C2). */
export interface ChunkedFile {
  sizeBytes: number;
  sha256: string;
  chunks: string[];
}

/** Hashes a file chunk by chunk, in constant memory. */
export async function hashChunks(path: string): Promise<ChunkedFile> {
  const { size } = await stat(path);
  const chunks: string[] = [];
  for (let start = 0; start < size; start += CHUNK_BYTES) {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(path, { start, end: start + CHUNK_BYTES - 1 })) {
      hash.update(piece);
    }
    chunks.push(hash.digest('hex'));
  }
  return { sizeBytes: size, sha256: createHash('sha256').update(chunks.join('')).digest('hex'), chunks };
}

/** Uploads the chunks of a file one after the other; tries for as long as the signal lets it. Throws ChunkError. */
export async function uploadChunks(
  client: ChunkClient,
  path: string,
  file: ChunkedFile,
  grant: GrantSource,
  signal: AbortSignal,
): Promise<void> {
  for (const [position, sha256] of file.chunks.entries()) {
    const start = position * CHUNK_BYTES;
    const sizeBytes = Math.min(CHUNK_BYTES, file.sizeBytes - start);
    const body = () => createReadStream(path, { start, end: start + sizeBytes - 1 });
    await retryTransfer(grant, signal, (current) => client.put(sha256, current, body, sizeBytes, signal));
  }
}

/** Uploads several files at once. */
export async function uploadFiles(
  client: ChunkClient,
  files: readonly { path: string; chunked: ChunkedFile }[],
  grant: GrantSource,
  signal: AbortSignal,
): Promise<void> {
  await allOrNone(
    signal,
    files.map(
      ({ path, chunked }) =>
        (bounded) =>
          uploadChunks(client, path, chunked, grant, bounded),
    ),
  );
}
