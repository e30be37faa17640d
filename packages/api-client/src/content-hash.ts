import { createHash, hash } from 'node:crypto';
import { CHUNK_BYTES } from '@pictor/protocol';

/** Name of a file: SHA-256 over the concatenated hex hashes of its chunks (rule C2). */
export const fileHash = (chunks: readonly string[]) => hash('sha256', chunks.join(''));

/** Hashes a file that passes by in pieces, to its name by rule C2. */
export function createContentHash(): { update(piece: Uint8Array): void; digest(): string } {
  const chunks: string[] = [];
  let chunk = createHash('sha256');
  let bytes = 0;
  const endChunk = () => {
    chunks.push(chunk.digest('hex'));
    chunk = createHash('sha256');
    bytes = 0;
  };
  return {
    update(piece) {
      for (let at = 0; at < piece.length; ) {
        const part = piece.subarray(at, at + CHUNK_BYTES - bytes);
        chunk.update(part);
        bytes += part.length;
        at += part.length;
        if (bytes === CHUNK_BYTES) endChunk();
      }
    },
    digest() {
      if (bytes > 0) endChunk();
      return fileHash(chunks);
    },
  };
}
