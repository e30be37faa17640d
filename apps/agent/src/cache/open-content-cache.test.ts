import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CHUNK_BYTES, type SnapshotFile, SnapshotId } from '@pictor/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createChunkClient } from '../content/chunk-client.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { startTestServer } from '../testing/test-server.ts';
import { contentKey, contentPath } from './content-key.ts';
import { openContentCache } from './open-content-cache.ts';

describe(openContentCache, () => {
  test('downloads once what two snapshots share, one after the other and at the same time', async () => {
    const { server, hold, fetched } = await setup();
    const shared = server.addFile('shared.png', Buffer.from('shared'));
    const first = hold([shared, server.addFile('a.blend', Buffer.from('a'))]);
    const second = hold([{ ...shared, path: 'other/name.png' }, server.addFile('b.blend', Buffer.from('b'))]);

    await Promise.all([fetched(first), fetched(second)]);
    await fetched(hold([shared]));

    expect(server.gets).toHaveLength(3);
    expect(new Set(server.gets).size).toBe(3);
  });

  test('fills a folder with files that anybody can read and nobody can write', async () => {
    const { server, hold, fetched, folder } = await setup();
    const large = randomBytes(CHUNK_BYTES + 1000);
    const held = hold([
      server.addFile('scenes/a b/ü.blend', Buffer.from('blend')),
      server.addFile('large.vdb', large),
      server.addFile('empty.txt', Buffer.alloc(0)),
    ]);
    await fetched(held);
    const job = await newFolder(folder, 'job');

    await held.fill(job);

    expect(await readFile(join(job, 'scenes/a b/ü.blend'), 'utf8')).toBe('blend');
    expect((await readFile(join(job, 'large.vdb'))).equals(large)).toBe(true);
    expect(await readFile(join(job, 'empty.txt'), 'utf8')).toBe('');
    const modes = ['scenes', 'scenes/a b', 'scenes/a b/ü.blend', 'large.vdb', 'empty.txt'].map(async (path) =>
      ((await stat(join(job, path))).mode & 0o777).toString(8),
    );
    expect(await Promise.all(modes)).toEqual(['755', '755', '444', '444', '444']);
    expect((await stat(join(job, 'large.vdb'))).nlink).toBe(2);
  });

  test('keeps a file of several chunks once, and takes unchanged chunks of a new version from the old one', async () => {
    const { server, hold, fetched, folder } = await setup();
    const content = randomBytes(2 * CHUNK_BYTES + 5);
    await fetched(hold([server.addFile('sim.vdb', content)]));
    expect(server.gets).toHaveLength(3);
    expect(await readdir(join(folder, 'cache/chunks'))).toEqual([]);

    const changed = Buffer.from(content);
    changed[CHUNK_BYTES] = (changed[CHUNK_BYTES] ?? 0) ^ 1;
    const held = hold([server.addFile('sim.vdb', changed)]);
    await fetched(held);

    expect(server.gets).toHaveLength(4);
    const job = await newFolder(folder, 'job');
    await held.fill(job);
    expect((await readFile(join(job, 'sim.vdb'))).equals(changed)).toBe(true);
  });

  test('fetches a chunk again that came damaged, and gives up when it always does', async () => {
    const { server, hold, fetched } = await setup();
    const file = server.addFile('a.blend', Buffer.from('content'));
    const chunk = file.chunks[0] as string;
    server.chunks.set(chunk, Buffer.from('damaged'));
    const held = hold([file]);

    await expect(fetched(held)).rejects.toMatchObject({ problem: 'mismatch' });
    expect(server.gets).toHaveLength(3);

    server.chunks.set(chunk, Buffer.from('content'));
    await fetched(held);
  });

  test('finds content that was damaged on disk and fetches it anew', async () => {
    const { server, hold, fetched, folder } = await setup();
    const file = server.addFile('a.blend', Buffer.from('content'));
    const held = hold([file, server.addFile('b.png', Buffer.from('whole'))]);
    await fetched(held);
    const path = contentPath(join(folder, 'cache'), contentKey(file) ?? 'chunks/');
    await chmod(path, 0o644);
    await writeFile(path, 'CONTENT');

    expect(await held.dropDamaged()).toBe(1);
    await fetched(held);

    expect(server.gets).toHaveLength(3);
    expect(await readFile(path, 'utf8')).toBe('content');
  });

  test('evicts the least recently used when the bound is reached, but nothing that a lease holds', async () => {
    const { server, hold, fetched, cache } = await setup({ boundBytes: 3000 });
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((path) => server.addFile(path, randomBytes(1000)));
    const pinned = hold([a as SnapshotFile], 'snp_aaaaaaaa');
    await fetched(pinned);
    for (const [file, id] of [
      [b, 'snp_bbbbbbbb'],
      [c, 'snp_cccccccc'],
      [d, 'snp_dddddddd'],
    ] as const) {
      const held = hold([file as SnapshotFile], id);
      await fetched(held);
      held.release();
    }

    expect(cache.usedBytes()).toBe(3000);
    expect(cache.cachedSnapshots()).toEqual(['snp_dddddddd', 'snp_cccccccc', 'snp_aaaaaaaa']);
  });

  test('says that the disk is full where live leases need more than the bound', async () => {
    const { server, hold, fetched, cache } = await setup({ boundBytes: 1500 });
    await fetched(hold([server.addFile('a', randomBytes(1000))]));
    const large = hold([server.addFile('b', randomBytes(1000))]);

    await expect(fetched(large)).rejects.toMatchObject({ kind: 'disk-full' });
    expect(cache.usedBytes()).toBe(1000);
  });

  test('knows after a restart what it has, and fetches anew what was cut short', async () => {
    const { server, hold, fetched, folder, reopen } = await setup();
    const whole = server.addFile('whole', randomBytes(100));
    const cut = server.addFile('cut', randomBytes(100));
    await fetched(hold([whole, cut]));
    const path = contentPath(join(folder, 'cache'), contentKey(cut) ?? 'chunks/');
    await chmod(path, 0o644);
    await truncate(path, 0);
    await writeFile(join(folder, 'cache/incoming/left-over'), 'half a download');

    const again = await reopen();
    await fetched(again.hold(SnapshotId.parse('snp_00000000'), { files: [whole, cut], remaps: [] }));

    expect(server.gets.slice(2)).toEqual(cut.chunks);
    expect(await readdir(join(folder, 'cache/incoming'))).toEqual([]);
  });

  test('goes on with a download for one lease when the other that wanted it is lost', async () => {
    const { server, hold, need, folder } = await setup();
    const file = server.addFile('a', Buffer.from('content'));
    await server.down();
    const lost = new AbortController();
    const first = hold([file]);
    const second = hold([file]);
    const losing = first.fetch({ ...need, signal: lost.signal }, () => undefined);
    const going = second.fetch(need, () => undefined);

    lost.abort(new Error('lost'));
    await expect(losing).rejects.toThrow('lost');
    await server.up();
    await going;

    const job = await newFolder(folder, 'job');
    await second.fill(job);
    expect(await readFile(join(job, 'a'), 'utf8')).toBe('content');
  });

  test('asks for a fresh grant when the one it has is over', async () => {
    const { server, hold } = await setup();
    const held = hold([server.addFile('a', Buffer.from('content'))]);
    server.grants = new Set(['fresh']);
    let current = 'old';
    const refresh = () => {
      current = 'fresh';
      return true;
    };

    await held.fetch(
      { grant: { current: () => current, refresh }, signal: AbortSignal.timeout(60_000) },
      () => undefined,
    );
  });

  test('does not wait for a chunk that the server does not have', async () => {
    const { server, hold, fetched } = await setup();
    const file = server.addFile('a', Buffer.from('content'));
    server.chunks.clear();

    await expect(fetched(hold([file]))).rejects.toMatchObject({ problem: 'unknown-chunk' });
  });
});

async function setup({ boundBytes = 1024 ** 3 } = {}) {
  const folder = await temporaryFolder();
  const server = await startTestServer();
  const client = createChunkClient(server.url);
  onTestFinished(() => client.close());
  const root = join(folder, 'cache');
  const cache = await openContentCache(root, boundBytes, client);
  const need = {
    grant: { current: () => 'grant', refresh: () => false },
    signal: AbortSignal.timeout(60_000),
  };
  return {
    folder,
    server,
    cache,
    need,
    reopen: () => openContentCache(root, boundBytes, client),
    hold: (files: SnapshotFile[], snapshotId = 'snp_00000000') =>
      cache.hold(SnapshotId.parse(snapshotId), { files, remaps: [] }),
    fetched: (held: ReturnType<typeof cache.hold>) => held.fetch(need, () => undefined),
  };
}

async function newFolder(parent: string, name: string): Promise<string> {
  const path = join(parent, name);
  await mkdir(path);
  return path;
}
