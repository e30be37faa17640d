import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CHUNK_BYTES, type SnapshotFile, type SnapshotId, type SnapshotManifest } from '@pictor/protocol';
import { allOrNone } from '../content/all-or-none.ts';
import type { ChunkClient } from '../content/chunk-client.ts';
import { limitConcurrency } from '../content/limit-concurrency.ts';
import { openChunkPlaces } from './chunk-places.ts';
import { type ContentKey, contentKey, contentPath } from './content-key.ts';
import { downloadChunk, type WantedChunk } from './download-chunk.ts';
import { fillFolder } from './fill-folder.ts';
import { findDamaged } from './find-damaged.ts';
import { openCacheIndex } from './open-cache-index.ts';
import { type Need, shareDownloads } from './share-downloads.ts';

/** Content of projects, by hash, shared by all jobs and bounded in size. */
export interface ContentCache {
  /** Keeps the content of a snapshot from eviction until it is released; what is missing is not fetched yet. */
  hold(snapshotId: SnapshotId, manifest: SnapshotManifest): SnapshotHold;
  /** Snapshots whose content is wholly here, most recently used first. */
  cachedSnapshots(): SnapshotId[];
  usedBytes(): number;
}

export interface SnapshotHold {
  /** Downloads what is missing. Throws ChunkError, RenderFailure `disk-full`, or the signal's reason. */
  fetch(need: Need, onFraction: (fraction: number) => void): Promise<void>;
  /** Links every file of the snapshot into an empty folder, readable by any user, writable by none. */
  fill(folder: string): Promise<void>;
  /** Hashes what is held and removes what is damaged. Returns how many files were: they are fetched anew by `fetch`. */
  dropDamaged(): Promise<number>;
  release(): void;
}

const DOWNLOADS = 4;
const FILES_AT_ONCE = 8;
/** What is remembered serves the scheduler only: it must not take the memory of a render. */
const REMEMBERED_SNAPSHOTS = 200;
const REMEMBERED_KEYS = 100_000;

/** Opens the cache in `root`; downloads that a dead agent left unfinished are removed. */
export async function openContentCache(root: string, boundBytes: number, client: ChunkClient): Promise<ContentCache> {
  const incoming = join(root, 'incoming');
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming, { recursive: true });
  const snapshots = new Map<SnapshotId, Set<ContentKey>>();
  const index = await openCacheIndex(root, boundBytes, (key) => {
    places.forget(key);
    for (const [snapshotId, keys] of snapshots) {
      if (keys.has(key)) {
        snapshots.delete(snapshotId);
      }
    }
  });
  const places = await openChunkPlaces(root);
  const share = shareDownloads();
  const downloadSlot = limitConcurrency(DOWNLOADS);

  async function fetchFile(key: ContentKey, file: SnapshotFile, need: Need): Promise<void> {
    if (await index.use(key, file.sizeBytes)) {
      return;
    }
    await share(key, need, async (shared) => {
      try {
        await download(key, file, shared);
      } catch (error) {
        if (!isDiskFull(error)) {
          throw error;
        }
        await index.evictUnpinned();
        await download(key, file, shared);
      }
    });
  }

  async function download(key: ContentKey, file: SnapshotFile, need: Need): Promise<void> {
    const releaseRoom = await index.reserve(file.sizeBytes);
    const temporary = join(incoming, randomUUID());
    try {
      const handle = await open(temporary, 'wx', 0o644);
      try {
        await allOrNone(
          need.signal,
          wantedChunks(file).map((chunk) => (signal) => {
            return downloadSlot(async () => {
              signal.throwIfAborted();
              if (!(await places.copy(chunk, handle))) {
                await downloadChunk(client, chunk, handle, { grant: need.grant, signal });
              }
            });
          }),
        );
        await handle.truncate(file.sizeBytes);
      } finally {
        await handle.close();
      }
      await keep(key, file, temporary);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    } finally {
      releaseRoom();
    }
  }

  async function keep(key: ContentKey, file: SnapshotFile, temporary: string): Promise<void> {
    const path = contentPath(root, key);
    await chmod(temporary, 0o444);
    await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    index.add(key, file.sizeBytes);
    if (file.chunks.length > 1) {
      await places.remember(key, file.chunks);
    }
  }

  function remember(snapshotId: SnapshotId, keys: Set<ContentKey>): void {
    snapshots.delete(snapshotId);
    snapshots.set(snapshotId, keys);
    let keyCount = [...snapshots.values()].reduce((sum, { size }) => sum + size, 0);
    for (const [oldest, { size }] of snapshots) {
      if (snapshots.size <= REMEMBERED_SNAPSHOTS && (keyCount <= REMEMBERED_KEYS || snapshots.size === 1)) {
        break;
      }
      snapshots.delete(oldest);
      keyCount -= size;
    }
  }

  return {
    hold(snapshotId, manifest) {
      const files = new Map<ContentKey, SnapshotFile>();
      for (const file of manifest.files) {
        const key = contentKey(file);
        if (key !== null) {
          files.set(key, file);
        }
      }
      const keys = new Set(files.keys());
      index.pin(keys);
      let held = true;
      return {
        async fetch(need, onFraction) {
          const totalBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
          const fileSlot = limitConcurrency(FILES_AT_ONCE);
          let doneBytes = 0;
          await allOrNone(
            need.signal,
            [...files].map(([key, file]) => (signal) => {
              return fileSlot(async () => {
                signal.throwIfAborted();
                await fetchFile(key, file, { grant: need.grant, signal });
                doneBytes += file.sizeBytes;
                onFraction(totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 1);
              });
            }),
          );
          remember(snapshotId, keys);
        },
        fill: (folder) => fillFolder(folder, manifest.files, (key) => contentPath(root, key)),
        async dropDamaged() {
          const damaged = await findDamaged(files, (key) => contentPath(root, key));
          for (const key of damaged) {
            await index.remove(key);
          }
          return damaged.length;
        },
        release() {
          if (held) {
            held = false;
            index.unpin(keys);
            void touch([...keys].map((key) => contentPath(root, key)));
          }
        },
      };
    },
    cachedSnapshots: () => [...snapshots.keys()].reverse(),
    usedBytes: () => index.usedBytes(),
  };
}

function wantedChunks(file: SnapshotFile): WantedChunk[] {
  return file.chunks.map((sha256, position) => ({
    sha256,
    position: position * CHUNK_BYTES,
    sizeBytes: Math.min(CHUNK_BYTES, file.sizeBytes - position * CHUNK_BYTES),
  }));
}

/** The time of last use is kept as the file's access time, since no index is written; the time of change says nothing here. */
async function touch(paths: string[]): Promise<void> {
  const now = new Date();
  for (const path of paths) {
    // Evicted meanwhile: then its time does not matter any more.
    await utimes(path, now, 0).catch(() => undefined);
  }
}

function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT';
}
