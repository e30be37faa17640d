import { execFileSync } from 'node:child_process';
import { link, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OutputFolder } from './output-folder.ts';

let root: string;
let out: string;
let folder: OutputFolder;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pictor-output-'));
  out = join(root, 'out');
  await mkdir(join(out, 'depth'), { recursive: true });
  await writeFile(join(root, 'secret'), 'secret');
  folder = await OutputFolder.open(out, { maxBytes: 1_000, maxFiles: 8 });
});

afterEach(async () => {
  await folder.close();
  await rm(root, { recursive: true, force: true });
});

const destination = () => join(root, 'taken', 'here');

describe('taking an output', () => {
  it('moves a file, out of folders too, and makes the folder it goes to', async () => {
    await writeFile(join(out, 'depth', 'Image0001.exr'), 'depths');
    expect(await folder.take('depth/Image0001.exr', destination())).toEqual({ sizeBytes: 6 });
    expect(await readFile(destination(), 'utf8')).toBe('depths');
    expect(await folder.list()).toEqual([]);
  });

  it('works for names with spaces and letters of every script', async () => {
    await writeFile(join(out, 'ein Bild für 誰か.png'), 'picture');
    expect(await folder.take('ein Bild für 誰か.png', destination())).toEqual({ sizeBytes: 7 });
  });

  it('takes an empty file: whether it decodes is for others to say', async () => {
    await writeFile(join(out, 'empty.png'), '');
    expect(await folder.take('empty.png', destination())).toEqual({ sizeBytes: 0 });
  });

  it('never overwrites what is there', async () => {
    await writeFile(join(out, '0001.png'), 'picture');
    await expect(folder.take('0001.png', join(root, 'secret'))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(join(root, 'secret'), 'utf8')).toBe('secret');
  });

  it.each([
    '../secret',
    'depth/../../secret',
    '/etc/passwd',
    '',
    '.',
    '..',
    'depth//x',
    'depth/',
    'a\0b',
    'x'.repeat(2_000),
  ])('refuses the name %j', async (name) => {
    await expect(folder.take(name, destination())).rejects.toMatchObject({ code: 'path-invalid' });
  });

  it('says that there is none', async () => {
    await expect(folder.take('0002.png', destination())).rejects.toMatchObject({ code: 'not-found' });
    await expect(folder.take('normals/0002.png', destination())).rejects.toMatchObject({ code: 'not-found' });
  });

  const refusals: [what: string, reason: string, make: (path: string) => unknown][] = [
    ['a symbolic link', 'symbolic link', (path) => symlink(join(root, 'secret'), path)],
    ['a symbolic link to nothing', 'symbolic link', (path) => symlink('nothing', path)],
    ['a hard link', 'hard link', (path) => link(join(root, 'secret'), path)],
    ['a folder', 'not a regular file', (path) => mkdir(path)],
    ['a FIFO', 'not a regular file', (path) => execFileSync('mkfifo', [path])],
    ['a file above the limit', 'larger than 1000 bytes', (path) => writeFile(path, 'x'.repeat(1_001))],
    [
      'a file with a hole above the limit',
      'larger than',
      async (path) => writeFile(path, '').then(() => truncate(path, 2 ** 40)),
    ],
  ];

  it.each(refusals)('refuses %s and leaves nothing behind', async (_, reason, make) => {
    await make(join(out, '0001.png'));
    const refusal = { code: 'output-refused', message: expect.stringContaining(reason) };
    await expect(folder.take('0001.png', destination())).rejects.toMatchObject(refusal);
    await expect(readFile(destination())).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(join(root, 'secret'), 'utf8')).toBe('secret');
  });

  it('refuses to go through a folder that is a symbolic link', async () => {
    await symlink(root, join(out, 'elsewhere'));
    await expect(folder.take('elsewhere/secret', destination())).rejects.toMatchObject({ code: 'output-refused' });
  });
});

describe('listing outputs', () => {
  it('names regular files only, in order, with their sizes', async () => {
    await writeFile(join(out, '0002.png'), '22');
    await writeFile(join(out, '0001.png'), '1');
    await writeFile(join(out, 'depth', '0001.exr'), 'depth');
    await symlink(join(root, 'secret'), join(out, 'link.png'));
    await link(join(root, 'secret'), join(out, 'hard.png'));
    execFileSync('mkfifo', [join(out, 'fifo.png')]);
    expect(await folder.list()).toEqual([
      { name: '0001.png', sizeBytes: 1 },
      { name: '0002.png', sizeBytes: 2 },
      { name: 'depth/0001.exr', sizeBytes: 5 },
    ]);
  });

  it('stops at the limit', async () => {
    for (let number = 0; number < 20; number += 1) await writeFile(join(out, `${number}.png`), '');
    expect((await folder.list()).length).toBeLessThanOrEqual(8);
  });
});
