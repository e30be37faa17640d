import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHUNK_BYTES, Sha256 } from '@pictor/protocol';
import { z } from 'zod';
import { type ContentKey, contentPath } from './content-key.ts';
import type { WantedChunk } from './download-chunk.ts';

/**
 * Where chunks lie within assembled files: a new version of a large file takes those that did not change from the old one.
 * Kept on disk beside each file as `<file>.chunks`.
 */
export interface ChunkPlaces {
  remember(key: ContentKey, chunks: string[]): Promise<void>;
  forget(key: ContentKey): void;
  /** Copies the chunk from a file that has it, hash checked; false where none has. */
  copy(chunk: WantedChunk, into: FileHandle): Promise<boolean>;
}

const COPY_BYTES = 1024 ** 2;

export async function openChunkPlaces(root: string): Promise<ChunkPlaces> {
  const places = new Map<string, { key: ContentKey; position: number }>();
  const chunksOf = new Map<ContentKey, string[]>();

  function place(key: ContentKey, chunks: string[]): void {
    chunksOf.set(key, chunks);
    chunks.forEach((sha256, position) => {
      places.set(sha256, { key, position: position * CHUNK_BYTES });
    });
  }

  for (const key of await assembledFiles(root)) {
    const chunks = await readChunkList(`${contentPath(root, key)}.chunks`);
    if (chunks !== null) {
      place(key, chunks);
    }
  }

  return {
    async remember(key, chunks) {
      await writeFile(`${contentPath(root, key)}.chunks`, JSON.stringify(chunks));
      place(key, chunks);
    },
    forget(key) {
      for (const sha256 of chunksOf.get(key) ?? []) {
        if (places.get(sha256)?.key === key) {
          places.delete(sha256);
        }
      }
      chunksOf.delete(key);
    },
    async copy(chunk, into) {
      const found = places.get(chunk.sha256);
      if (found === undefined) {
        return false;
      }
      try {
        return await copyChecked(contentPath(root, found.key), found.position, chunk, into);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
          return false;
        }
        throw error;
      }
    },
  };
}

async function copyChecked(path: string, from: number, chunk: WantedChunk, into: FileHandle): Promise<boolean> {
  const source = await open(path, 'r');
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, chunk.sizeBytes));
    let done = 0;
    while (done < chunk.sizeBytes) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, chunk.sizeBytes - done), from + done);
      if (bytesRead === 0) {
        return false;
      }
      const piece = buffer.subarray(0, bytesRead);
      hash.update(piece);
      await into.write(piece, 0, bytesRead, chunk.position + done);
      done += bytesRead;
    }
    return hash.digest('hex') === chunk.sha256;
  } finally {
    await source.close();
  }
}

async function assembledFiles(root: string): Promise<ContentKey[]> {
  const shards = await readdir(join(root, 'files'));
  const names = await Promise.all(shards.map((shard) => readdir(join(root, 'files', shard))));
  return names
    .flat()
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => `files/${name}` as const);
}

async function readChunkList(path: string): Promise<string[] | null> {
  try {
    return z.array(Sha256).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
}
