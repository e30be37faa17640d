import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { CHUNK_BYTES, type SnapshotFile } from '@pictor/protocol';
import type { ContentKey } from './content-key.ts';

/** Hashes content on disk and returns what is gone or not what its name promises. */
export async function findDamaged(
  files: ReadonlyMap<ContentKey, SnapshotFile>,
  pathOf: (key: ContentKey) => string,
): Promise<ContentKey[]> {
  const damaged: ContentKey[] = [];
  for (const [key, file] of files) {
    if (!(await isWhole(pathOf(key), file.chunks))) {
      damaged.push(key);
    }
  }
  return damaged;
}

async function isWhole(path: string, chunks: readonly string[]): Promise<boolean> {
  for (const [position, sha256] of chunks.entries()) {
    const start = position * CHUNK_BYTES;
    const hash = createHash('sha256');
    try {
      for await (const piece of createReadStream(path, { start, end: start + CHUNK_BYTES - 1 })) {
        hash.update(piece);
      }
    } catch {
      return false;
    }
    if (hash.digest('hex') !== sha256) {
      return false;
    }
  }
  return true;
}
