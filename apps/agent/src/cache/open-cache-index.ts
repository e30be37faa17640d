import { mkdir, readdir, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RenderFailure } from '@pictor/rendering';
import { type ContentKey, contentPath } from './content-key.ts';

/** What is in the cache, least recently used first, and what may not be evicted. */
export interface CacheIndex {
  /** Whether the content is there in this size; what is there in another is damaged and removed. Counts as use. */
  use(key: ContentKey, sizeBytes: number): Promise<boolean>;
  add(key: ContentKey, sizeBytes: number): void;
  remove(key: ContentKey): Promise<void>;
  /** Pinned content, there or still to come, is never evicted. Pins count. */
  pin(keys: Iterable<ContentKey>): void;
  unpin(keys: Iterable<ContentKey>): void;
  /**
   * Evicts until `sizeBytes` more fit within the bound and keeps that room until it is released. Throws RenderFailure
   * `disk-full` where live leases leave too little.
   */
  reserve(sizeBytes: number): Promise<() => void>;
  /** Evicts everything that no live lease needs: the disk is fuller than the bound foresaw. */
  evictUnpinned(): Promise<void>;
  usedBytes(): number;
}

interface Found {
  key: ContentKey;
  sizeBytes: number;
  usedAtMs: number;
}

/** Reads what an earlier agent left in `root`; `onRemoved` hears of every content that goes. */
export async function openCacheIndex(
  root: string,
  boundBytes: number,
  onRemoved: (key: ContentKey) => void,
): Promise<CacheIndex> {
  const found = [...(await scan(root, 'chunks')), ...(await scan(root, 'files'))];
  found.sort((first, second) => first.usedAtMs - second.usedAtMs);
  // Map keeps the order of insertion: the first entry is the least recently used.
  const entries = new Map<ContentKey, number>(found.map((entry) => [entry.key, entry.sizeBytes]));
  const pins = new Map<ContentKey, number>();
  let usedBytes = found.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  let reservedBytes = 0;

  async function remove(key: ContentKey): Promise<void> {
    const sizeBytes = entries.get(key);
    if (sizeBytes === undefined) {
      return;
    }
    entries.delete(key);
    usedBytes -= sizeBytes;
    onRemoved(key);
    const path = contentPath(root, key);
    await rm(path, { force: true });
    await rm(`${path}.chunks`, { force: true });
  }

  async function evictDownTo(bytes: number): Promise<void> {
    for (const key of [...entries.keys()]) {
      if (usedBytes + reservedBytes <= bytes) {
        return;
      }
      if (!pins.has(key)) {
        await remove(key);
      }
    }
  }

  return {
    async use(key, sizeBytes) {
      const foundBytes = entries.get(key);
      if (foundBytes === undefined) {
        return false;
      }
      if (foundBytes !== sizeBytes) {
        await remove(key);
        return false;
      }
      entries.delete(key);
      entries.set(key, sizeBytes);
      return true;
    },
    add(key, sizeBytes) {
      usedBytes += sizeBytes - (entries.get(key) ?? 0);
      entries.delete(key);
      entries.set(key, sizeBytes);
    },
    remove,
    pin(keys) {
      for (const key of keys) {
        pins.set(key, (pins.get(key) ?? 0) + 1);
      }
    },
    unpin(keys) {
      for (const key of keys) {
        const count = pins.get(key) ?? 0;
        if (count > 1) {
          pins.set(key, count - 1);
        } else {
          pins.delete(key);
        }
      }
    },
    async reserve(sizeBytes) {
      // Taken before the first await: two reservations at once must not see the same room.
      reservedBytes += sizeBytes;
      let held = true;
      const release = (): void => {
        if (held) {
          held = false;
          reservedBytes -= sizeBytes;
        }
      };
      await evictDownTo(boundBytes);
      if (usedBytes + reservedBytes > boundBytes) {
        release();
        throw new RenderFailure(
          'disk-full',
          `The cache of content may hold ${boundBytes} bytes (--cache-bytes), the leases at work need more.`,
        );
      }
      return release;
    },
    evictUnpinned: () => evictDownTo(0),
    usedBytes: () => usedBytes,
  };
}

async function scan(root: string, kind: 'chunks' | 'files'): Promise<Found[]> {
  const folder = join(root, kind);
  await mkdir(folder, { recursive: true });
  const found: Found[] = [];
  for (const shard of await readdir(folder)) {
    const names = await readdir(join(folder, shard));
    await Promise.all(
      names.map(async (name) => {
        const path = join(folder, shard, name);
        if (/^[0-9a-f]{64}$/.test(name)) {
          const status = await stat(path);
          found.push({ key: `${kind}/${name}`, sizeBytes: status.size, usedAtMs: status.atimeMs });
        } else if (!name.endsWith('.chunks')) {
          await unlink(path);
        }
      }),
    );
  }
  return found;
}
