import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output } from '@pictor/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOut, prepareOut } from './out-folder.ts';

const hex = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-out-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** An output of this content, in one chunk. */
function anOutput(path: string, content: string): Output {
  return {
    outputId: 'out_00000000' as Output['outputId'],
    frameNumber: 1,
    kind: 'picture',
    path,
    sizeBytes: content.length,
    sha256: hex(hex(content)),
    pixelSha256: hex('pixels'),
    width: 4,
    height: 4,
  };
}

const writing = (content: string) => (path: string) => writeFile(path, content);

describe(prepareOut, () => {
  it('makes the folder with the first file and saves files of sub-folders', async () => {
    const out = await prepareOut(join(folder, 'new/frames'));
    expect(await readdir(folder)).toEqual([]);
    await out.save(anOutput('depth/Image0001.exr', 'abcd'), writing('abcd'));
    await out.dispose();
    expect(await readFile(join(folder, 'new/frames/depth/Image0001.exr'), 'utf8')).toBe('abcd');
  });

  it('removes the folders that it made for a file that could not be fetched', async () => {
    const out = await prepareOut(join(folder, 'frames'));
    const saving = out.save(anOutput('a/0001.png', 'x'), () => Promise.reject(new Error('broken off')));
    await expect(saving).rejects.toThrow('broken off');
    await out.dispose();
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves a file alone that is there already', async () => {
    await writeFile(join(folder, '0001.png'), 'same');
    const before = await stat(join(folder, '0001.png'));
    const out = await prepareOut(folder);
    await out.save(anOutput('0001.png', 'same'), () => Promise.reject(new Error('fetched again')));
    expect((await stat(join(folder, '0001.png'))).mtimeMs).toBe(before.mtimeMs);
  });

  it.each(['../0001.png', '/etc/0001.png', 'a/../../0001.png', ''])('refuses the path %j', async (path) => {
    const out = await prepareOut(folder);
    await expect(out.save(anOutput(path, 'x'), writing('x'))).rejects.toMatchObject({
      code: 'path-invalid',
    });
  });
});

describe(checkOut, () => {
  it('takes folders that are there and those that can be made', async () => {
    await checkOut(folder);
    await checkOut(join(folder, 'a/b/c'));
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['file', 'file/frames'])('refuses %s, where a file is in the way', async (path) => {
    await writeFile(join(folder, 'file'), '');
    await expect(checkOut(join(folder, path))).rejects.toMatchObject({ code: 'usage' });
  });
});
