import { createHash } from 'node:crypto';
import { CHUNK_BYTES, PictorError, type SnapshotFile } from '@pictor/protocol';
import { chunkSizes } from './find-missing-chunks.ts';
import type { ObjectStore } from './object-store.ts';

/** A file as it was named by whoever uploaded it. */
export type ClaimedFile = Pick<SnapshotFile, 'path' | 'sizeBytes' | 'sha256' | 'chunks'>;

/**
 * Checks that every chunk of these files was uploaded and that hash and size of each file are those of its chunks (rules C2, R3). Throws
 * `chunks-missing` with `{ missing }`, `validation` for a hash or size that does not fit.
 */
export async function checkContent(store: ObjectStore, files: ClaimedFile[]): Promise<void> {
  for (const file of files) {
    if (file.sha256 !== fileHash(file.chunks)) {
      throw new PictorError('validation', `${file.path}: its hash is not that of its list of chunks.`);
    }
    if (file.chunks.length !== Math.ceil(file.sizeBytes / CHUNK_BYTES)) {
      throw new PictorError(
        'validation',
        `${file.path}: ${file.sizeBytes} bytes do not make ${file.chunks.length} chunks.`,
      );
    }
  }
  const sizes = await chunkSizes(store, allChunks(files));
  const missing = [...sizes].filter(([, size]) => size === null).map(([sha256]) => sha256);
  if (missing.length > 0) {
    throw new PictorError(
      'chunks-missing',
      `${missing.length} chunks were not uploaded yet: send them and commit again.`,
      {
        details: { missing },
      },
    );
  }
  for (const file of files) {
    for (const [index, sha256] of file.chunks.entries()) {
      const isLast = index === file.chunks.length - 1;
      const expected = isLast ? file.sizeBytes - index * CHUNK_BYTES : CHUNK_BYTES;
      if (sizes.get(sha256) === expected) continue;
      throw new PictorError(
        'validation',
        `${file.path}: chunk ${index + 1} has ${sizes.get(sha256)} bytes, not ${expected}.`,
      );
    }
  }
}

/** Name of a file: SHA-256 over the concatenated hex hashes of its chunks (rule C2). */
export function fileHash(chunks: string[]): string {
  const hash = createHash('sha256');
  for (const sha256 of chunks) hash.update(sha256);
  return hash.digest('hex');
}

function* allChunks(files: ClaimedFile[]): Generator<string> {
  for (const file of files) yield* file.chunks;
}
