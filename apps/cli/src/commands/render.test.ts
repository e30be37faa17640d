import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../testing/run-cli.ts';

let folder: string;
let home: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-render-'));
  home = join(folder, 'home');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** The smallest file that is a whole .blend by its header and blocks. */
function aBlend(version = '304'): Buffer {
  const end = Buffer.alloc(24);
  end.write('ENDB');
  return Buffer.concat([Buffer.from(`BLENDER-v${version}`), end]);
}

/** One whose first block announces more bytes than the file has. */
function aCutBlend(): Buffer {
  const block = Buffer.alloc(24);
  block.write('REND');
  block.writeInt32LE(72, 4);
  return Buffer.concat([Buffer.from('BLENDER-v304'), block]);
}

/** Runs `pictor render` in the folder; what it must leave behind is nothing. */
async function refusedRender(...args: string[]) {
  const before = await readdir(folder);
  const run = await runCli(['render', ...args], { home, cwd: folder });
  const left = (await readdir(folder)).filter((name) => !before.includes(name));
  return { ...run, left };
}

describe('pictor render, given what it cannot render', () => {
  it.each([
    ['is not a .blend', 'notes.blend', Buffer.from('just some notes, longer than a header'), 'not a .blend'],
    ['is empty', 'empty.blend', Buffer.alloc(0), 'is empty'],
    ['is cut within its header', 'cut.blend', Buffer.from('BLENDER-v3'), 'truncated'],
    ['is cut after its header', 'short.blend', aCutBlend(), 'truncated'],
    ['is compressed and cut', 'packed.blend', gzipSync(aBlend()).subarray(0, 25), 'truncated'],
    ['is a picture', 'photo.blend', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'not a .blend'],
  ])('refuses a file that %s', async (_what, name, content, said) => {
    await writeFile(join(folder, name), content);
    const { code, stdout, stderr, left } = await refusedRender(name, '--out', 'frames');
    expect({ code, stdout, left }).toEqual({ code: 2, stdout: '', left: [] });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(name);
    expect(stderr).toContain(said);
  });

  it.each([
    ['a file that is not there', ['gone.blend'], 'gone.blend'],
    ['a folder', ['.'], '--project'],
    ['no scene', [], 'Which scene'],
    ['a project without a scene', ['--project', '.'], '--file'],
    ['a project that is not there', ['--project', 'gone', '--file', 'a.blend'], 'gone'],
    ['a scene outside of the project', ['--project', '.', '--file', '../a.blend'], '../a.blend'],
  ])('refuses %s', async (_what, args, named) => {
    const { code, stderr, left } = await refusedRender(...args);
    expect({ code, left }).toEqual({ code: 2, left: [] });
    expect(stderr).toContain(named);
  });

  it.each([
    ['', 'frames'],
    ['8-1', '8-1'],
    ['eight', 'eight'],
    ['1..8', '1-8'],
    ['1-100000000', '100000'],
    ['1-8x0', 'step'],
  ])('refuses the frames %j', async (frames, said) => {
    await writeFile(join(folder, 'a.blend'), aBlend());
    const { code, stderr, left } = await refusedRender('a.blend', '--frames', frames);
    expect({ code, left }).toEqual({ code: 2, left: [] });
    expect(stderr).toContain(said);
  });

  it.each([
    [['--engine', 'luxrender'], '--engine'],
    [['--resolution', 'large'], '--resolution'],
    [['--format', 'bmp'], '--format'],
    [['--agents', '0'], '--agents'],
    [['--blender', '/nowhere/blender'], '/nowhere/blender'],
    [['--unknown'], '--unknown'],
  ])('refuses the options %j, naming what is wrong', async (options, said) => {
    await writeFile(join(folder, 'a.blend'), aBlend());
    const { code, stderr, left } = await refusedRender('a.blend', ...options);
    expect({ code, left }).toEqual({ code: 2, left: [] });
    expect(stderr).toContain(said);
  });

  it('refuses a project with a link out of it, naming the link', async () => {
    await mkdir(join(folder, 'my film'));
    await writeFile(join(folder, 'my film/ähnlich 木.blend'), aBlend());
    await symlink('/etc/hostname', join(folder, 'my film/wood.png'));
    const { code, stderr, left } = await refusedRender('--project', 'my film', '--file', 'ähnlich 木.blend');
    expect({ code, left }).toEqual({ code: 2, left: [] });
    expect(stderr).toContain('wood.png');
  });

  it('refuses a folder for the frames that cannot be one', async () => {
    await writeFile(join(folder, 'a.blend'), aBlend());
    await writeFile(join(folder, 'file'), '');
    const { code, stderr, left } = await refusedRender('a.blend', '--out', 'file/frames');
    expect({ code, left }).toEqual({ code: 2, left: [] });
    expect(stderr).toContain('--out');
  });

  it('prints the refusal as an event too with --json', async () => {
    const { code, stdout } = await refusedRender('gone.blend', '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ event: 'error', code: 'file-not-found' });
  });
});

describe('pictor render, given a server', () => {
  /** A project folder, whose files need no look at by Blender before they travel. */
  const project = async () => {
    await mkdir(join(folder, 'film'));
    await writeFile(join(folder, 'film/a.blend'), aBlend());
    return ['--project', 'film', '--file', 'a.blend'];
  };

  it('says so where nothing listens there', async () => {
    const { code, stderr, left } = await refusedRender(...(await project()), '--server', 'http://127.0.0.1:9');
    expect({ code, left }).toEqual({ code: 1, left: [] });
    expect(stderr).toContain('http://127.0.0.1:9');
  });

  it('says so where something else listens there', async () => {
    const other = createServer((_, reply) => reply.end('hello'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const { code, stderr } = await refusedRender(...(await project()), '--server', url);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain('not a Pictor server');
  });

  it('refuses what is no address', async () => {
    const { code, stderr } = await refusedRender(...(await project()), '--server', 'ftp://somewhere');
    expect(code).toBe(2);
    expect(stderr).toContain('ftp://somewhere');
  });
});
