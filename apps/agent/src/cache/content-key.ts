import { join } from 'node:path';
import type { SnapshotFile } from '@pictor/protocol';

/**
 * Name of a content in the cache. A file of one chunk *is* that chunk, under the chunk's hash; a longer one is kept assembled,
 * under the file's hash, and its chunks are not kept beside it. No byte is there twice.
 */
export type ContentKey = `chunks/${string}` | `files/${string}`;

/** Null for an empty file, which has no content to keep. */
export function contentKey(file: SnapshotFile): ContentKey | null {
  const [first, second] = file.chunks;
  if (first === undefined) {
    return null;
  }
  return second === undefined ? `chunks/${first}` : `files/${file.sha256}`;
}

/** `chunks/abcd…` → `<root>/chunks/ab/abcd…`: no folder gets too many names. */
export function contentPath(root: string, key: ContentKey): string {
  const [kind = '', sha256 = ''] = key.split('/');
  return join(root, kind, sha256.slice(0, 2), sha256);
}
