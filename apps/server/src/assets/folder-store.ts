import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { PictorError } from '@pictor/protocol';
import type { ChunkSource, ObjectStore } from './object-store.ts';

/** Pieces come in 64 KiB; they are written together from this size on. */
const WRITE_BYTES = 1024 * 1024;

/**
 * Keeps chunks in `<folder>/chunks/ab/<sha256>`. A chunk is written to `<folder>/incoming`, synced and renamed; what a killed process
 * left there is removed at start. One server per folder.
 */
export async function createFolderStore(folder: string): Promise<ObjectStore> {
  const incoming = path.join(folder, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  const pathOf = (sha256: string) => path.join(folder, 'chunks', sha256.slice(0, 2), sha256);
  let written = 0;

  return {
    async chunkSize(sha256) {
      try {
        return (await stat(pathOf(sha256))).size;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },

    async writeChunk(sha256, source) {
      const target = pathOf(sha256);
      const unfinished = path.join(incoming, `${sha256}.${written++}`);
      try {
        await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
        await using handle = await open(unfinished, 'wx', 0o600);
        await writeAll(handle, source);
        await handle.sync();
        await rename(unfinished, target);
        await using directory = await open(path.dirname(target), 'r');
        await directory.sync();
      } catch (error) {
        await rm(unfinished, { force: true });
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
        throw new PictorError(
          'disk-full',
          'The disk of the server is full: free some space in its data folder and send the files again.',
          { cause: error },
        );
      }
    },

    readChunk(sha256, range) {
      return createReadStream(pathOf(sha256), { ...range, highWaterMark: WRITE_BYTES });
    },
  };
}

async function writeAll(handle: FileHandle, source: ChunkSource): Promise<void> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes < WRITE_BYTES) continue;
    await writePieces(handle, pieces, bytes);
    pieces = [];
    bytes = 0;
  }
  if (bytes > 0) await writePieces(handle, pieces, bytes);
}

async function writePieces(handle: FileHandle, pieces: Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await handle.writev(pieces);
  // A disk that fills up takes a part and complains at the next write only.
  if (bytesWritten < bytes) await handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
}
