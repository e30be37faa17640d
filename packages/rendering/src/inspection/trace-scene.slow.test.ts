import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BlenderBuild, SceneReference } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeSandbox, type SandboxProbe } from '../sandbox/index.ts';
import { planProject } from './plan-project.ts';
import { inspectFiles, runBlender } from './testing/run-blender.ts';
import { traceScene } from './trace-scene.ts';

const folder = await mkdtemp(join(tmpdir(), 'pictor-trace-'));
// Nothing in common with the other folder but the root of the file system.
const library = await mkdtemp('/var/tmp/pictor-library-');
afterAll(() => Promise.all([folder, library].map((each) => rm(each, { recursive: true, force: true }))));

const build: BlenderBuild = {
  path: execFileSync('which', ['blender'], { encoding: 'utf8' }).trim(),
  version: '3.4.1',
  sha256: '0'.repeat(64) as BlenderBuild['sha256'],
  engines: ['CYCLES'],
  denoisers: [],
};

describe('trace of a lone .blend', () => {
  const creator = join(folder, 'creator');
  const scene = join(creator, 'project/scenes/all.blend');
  let sandbox: SandboxProbe;
  let references: SceneReference[];

  beforeAll(async () => {
    await runBlender('make_references.py', [creator, library]);
    // Private files are the creator's right; Blender runs as another user.
    await chmod(join(library, 'first.blend'), 0o600);
    await chmod(creator, 0o700);
    sandbox = await probeSandbox();
    references = await traceScene(scene, build, sandbox, join(folder, 'work'));
  });

  function at(place: string, root = creator) {
    return references.filter(({ resolved }) => resolved === join(root, place));
  }

  it('finds libraries of libraries and what they use, wherever they lie', () => {
    expect(at('first.blend', library)).toMatchObject([{ kind: 'library', status: 'present' }]);
    expect(at('first.blend', library)[0]?.path).toBe(join(library, 'first.blend'));
    expect(at('deep/nested.blend', library)).toMatchObject([{ kind: 'library', status: 'present' }]);
    expect(at('deep/nested.png', library)).toMatchObject([
      { path: '//nested.png', status: 'present', library: join(library, 'deep/nested.blend') },
    ]);
  });

  it('lists every file of sequences and tiles, and says which are missing', () => {
    expect(at('project/seq/frame_0002.png').map(({ status }) => status)).toEqual(['present', 'present']);
    expect(at('project/smoke_0002.vdb')).toMatchObject([{ kind: 'volume', pattern: 'sequence', status: 'present' }]);
    expect(at('project/tex/tile.1001.png')).toMatchObject([{ pattern: 'tiles', status: 'present' }]);
    expect(at('project/tex/tile.1002.png')).toMatchObject([{ pattern: 'tiles', status: 'missing' }]);
    expect(at('project/film.mp4')).toMatchObject([{ kind: 'movie', status: 'missing' }]);
  });

  it('lists fonts, sounds, caches, strips and light profiles', () => {
    const kinds = ['sound.wav', 'points.mdd', 'strip/a.png', 'lamp.ies'].flatMap((name) => at(`project/${name}`));
    expect(kinds.map(({ kind }) => kind)).toEqual(['sound', 'cache', 'image', 'light-profile']);
  });

  it('leaves nothing behind', async () => {
    expect(await readdir(join(folder, 'work')).catch(() => [])).toEqual([]);
  });

  it('does not take a file that is no picture, nor a link to one', async () => {
    const key = join(creator, 'beside.png');
    await rename(key, join(creator, 'id_rsa'));
    await symlink(join(creator, 'id_rsa'), key);
    const found = await traceScene(scene, build, sandbox, join(folder, 'work-2'));
    await rm(key);
    await rename(join(creator, 'id_rsa'), key);
    expect(found.filter(({ resolved }) => resolved === key)).toMatchObject([{ status: 'outside' }]);
  });

  it('makes a project of it whose frame is the same on another machine', async () => {
    const plan = planProject(scene, references);
    const before = join(folder, 'before.png');
    await inspectFiles(folder, [{ file: scene, root: plan.root, picture: before }]);

    const snapshot = join(folder, 'snapshot');
    for (const { path, source } of plan.files) {
      await mkdir(dirname(join(snapshot, path)), { recursive: true });
      await cp(source, join(snapshot, path));
    }
    const nested = join('_external', library, 'deep/nested.png');
    expect(plan.files.map(({ path }) => path)).toContain(nested);
    for (const each of [creator, library]) await rename(each, `${each}-gone`);
    try {
      const after = join(folder, 'after.png');
      const moved = { file: join(snapshot, plan.file), root: snapshot };
      const [asItIs, remapped] = await inspectFiles(folder, [
        { ...moved, picture: join(folder, 'unmapped.png') },
        { ...moved, remaps: plan.remaps, picture: after },
      ]);
      expect(asItIs?.references.filter(({ status }) => status === 'outside').length).toBeGreaterThan(2);
      const absent = remapped?.references.filter(({ status }) => status !== 'present') ?? [];
      expect(absent.map(({ path }) => path).sort()).toEqual(['//../film.mp4', '//../tex/tile.<UDIM>.png']);
      expect(pixels(after)).toBe(pixels(before));
      expect(pixels(after)).not.toBe(pixels(join(folder, 'unmapped.png')));
    } finally {
      for (const each of [creator, library]) await rename(`${each}-gone`, each);
    }
  });
});

describe('the project of a lone .blend', () => {
  const image = (path: string, resolved: string, rest: Partial<SceneReference> = {}): SceneReference => {
    return { kind: 'image', name: 'image', path, resolved, status: 'present', ...rest };
  };

  it('has the common folder of what is named relatively as its root', () => {
    const plan = planProject('/srv/show/shots/a.blend', [image('//../tex/a.png', '/srv/show/tex/a.png')]);
    expect(plan).toMatchObject({ root: '/srv/show', file: 'shots/a.blend', remaps: [] });
    expect(plan.files.map(({ path }) => path)).toEqual(['shots/a.blend', 'tex/a.png']);
  });

  it('takes absolute paths below _external, and remaps them', () => {
    const plan = planProject('/srv/show/a.blend', [image('/opt/tex/wood.png', '/opt/tex/wood.png')]);
    expect(plan.remaps).toEqual([{ original: '/opt/tex/wood.png', path: '_external/opt/tex/wood.png' }]);
  });

  it('remaps an absolute path into the project itself', () => {
    const plan = planProject('/srv/show/a.blend', [image('/srv/show/wood.png', '/srv/show/wood.png')]);
    expect(plan.remaps).toEqual([{ original: '/srv/show/wood.png', path: 'wood.png' }]);
  });

  it('names relative paths of an external library as Blender will see them in the snapshot', () => {
    const library = { library: '/opt/lib/lib.blend' };
    const plan = planProject('/srv/show/a.blend', [
      { ...image('/opt/lib/lib.blend', '/opt/lib/lib.blend'), kind: 'library' },
      image('//tex/inner.png', '/opt/lib/tex/inner.png', library),
    ]);
    expect(plan.files.map(({ path }) => path)).toContain('_external/opt/lib/tex/inner.png');
    expect(plan.remaps).toEqual([{ original: '/opt/lib/lib.blend', path: '_external/opt/lib/lib.blend' }]);
  });

  it('remaps a sequence and a UDIM by the one path that the scene names', () => {
    const plan = planProject('/srv/show/a.blend', [
      image('/opt/s/f_01.png', '/opt/s/f_01.png', { pattern: 'sequence' }),
      image('/opt/s/f_01.png', '/opt/s/f_02.png', { pattern: 'sequence' }),
      image('/opt/t.<UDIM>.png', '/opt/t.1001.png', { pattern: 'tiles' }),
    ]);
    expect(plan.files).toHaveLength(4);
    expect(plan.remaps).toEqual([
      { original: '/opt/s/f_01.png', path: '_external/opt/s/f_01.png' },
      { original: '/opt/t.<UDIM>.png', path: '_external/opt/t.<UDIM>.png' },
    ]);
  });

  it('never widens its root to a whole disk', () => {
    const plan = planProject('/srv/a.blend', [image('//../usr/share/a.png', '/usr/share/a.png')]);
    expect(plan).toMatchObject({ root: '/srv', file: 'a.blend' });
    expect(plan.remaps).toEqual([{ original: '//../usr/share/a.png', path: '_external/usr/share/a.png' }]);
  });
});

/** Hash of the pixels alone: Blender writes the time into its files. */
function pixels(path: string): string {
  return /SHA-1: (\w+)/.exec(execFileSync('oiiotool', ['--hash', path], { encoding: 'utf8' }))?.[1] ?? '';
}
