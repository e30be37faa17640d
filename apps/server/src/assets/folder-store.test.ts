import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../testing/test-app.ts';
import { createFolderStore, receiveChunk } from './index.ts';

describe(createFolderStore.name, () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('removes what a killed process left half-made', async () => {
    const folder = path.join(directory, 'left');
    await createFolderStore(folder);
    await writeFile(path.join(folder, 'incoming', 'half'), 'x');
    await createFolderStore(folder);
    expect(await readdir(path.join(folder, 'incoming'))).toEqual([]);
  });

  it('stores a chunk that two send at once, whole', async () => {
    const store = await createFolderStore(path.join(directory, 'twice'));
    const bytes = randomBytes(2_000_000);
    const name = sha256(bytes);
    await Promise.all([1, 2, 3].map(() => receiveChunk(store, name, Readable.from([bytes]))));
    expect(await store.chunkSize(name)).toBe(bytes.length);
    expect(sha256(Buffer.concat(await store.readChunk(name).toArray()))).toBe(name);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'says that the disk is full, and leaves nothing (needs root to mount a small one)',
    async () => {
      const folder = await mkdtemp(path.join(directory, 'small-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
      try {
        const store = await createFolderStore(folder);
        const bytes = randomBytes(3_000_000);
        const pieces = Array.from({ length: 46 }, (_, i) => bytes.subarray(i * 65_536, (i + 1) * 65_536));
        await expect(receiveChunk(store, sha256(bytes), Readable.from(pieces))).rejects.toMatchObject({
          code: 'disk-full',
        });
        expect(await readdir(path.join(folder, 'incoming'))).toEqual([]);
        const small = randomBytes(1000);
        await receiveChunk(store, sha256(small), Readable.from([small]));
        expect(await store.chunkSize(sha256(small))).toBe(1000);
      } finally {
        execFileSync('umount', [folder]);
      }
    },
  );
});
