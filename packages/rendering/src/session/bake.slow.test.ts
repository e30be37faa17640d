import { execFile } from 'node:child_process';
import { chmod, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pixelDifference, renderFrames, TestBlender } from './testing/test-blender.ts';
import type { WarmBlender } from './warm-blender.ts';

const run = promisify(execFile);
/** What a creator does in Blender. */
const BAKE_ALL = [
  'for M in (m for o in bpy.data.objects for m in o.modifiers if m.type == "CLOTH"): M.point_cache.frame_end = 20',
  'bpy.ops.ptcache.bake_all(bake=True)',
].join('\n');

let blender: TestBlender;
let warm: WarmBlender;

beforeAll(async () => {
  blender = await TestBlender.create();
  warm = await blender.warm();
});
afterAll(() => blender?.close());

/** Changes `cloth.blend` with Python and saves it under another name. */
async function variant(file: string, python: string): Promise<void> {
  const save = `bpy.ops.wm.save_as_mainfile(filepath=${JSON.stringify(join(blender.scenes, file))})`;
  const code = ['import bpy', 'S = bpy.context.scene', python, save].join('\n');
  const args = ['-b', join(blender.scenes, 'cloth.blend'), '--python-exit-code', '1', '--python-expr', code];
  await run(blender.build.path, args);
}

/** All frames of a scene as `blender -b -a` makes them, after `prepare` (Python). */
async function animation(file: string, prepare = ''): Promise<string> {
  const out = join(blender.folder, `animation of ${file}`);
  const python = ['import bpy', prepare].join('\n');
  const args = ['-b', '--factory-startup', '--disable-autoexec', join(blender.scenes, file), '--python-expr', python];
  await run(blender.build.path, [...args, '-o', `${out}/####`, '-a'], { maxBuffer: 2 ** 26 });
  return out;
}

/** Bakes a scene and puts the file among the others. */
async function baked(file: string, options: Parameters<TestBlender['scene']>[2] = {}) {
  const { localPath, report } = await warm.bake(blender.scene(file, {}, options));
  await chmod(localPath, 0o444);
  await rename(localPath, join(blender.scenes, `baked-${file}`));
  return report;
}

describe('a baked scene', () => {
  test('has the pixels of one that Blender baked, in any order, in any Blender, and depends on history no more', async () => {
    const report = await baked('cloth.blend');
    expect(report.scenes[0]?.historyDependences).toEqual([]);
    const reference = await animation('baked-cloth.blend');
    const bakedByHand = await animation('cloth.blend', BAKE_ALL);
    for (const numbers of [
      [12, 3, 7, 8, 1, 5],
      [9, 2, 11, 4, 10, 6],
    ]) {
      const fresh = await blender.warm({ slot: 41 });
      await fresh.open(blender.scene('baked-cloth.blend'));
      for (const [path, localPath] of await renderFrames(fresh, numbers)) {
        expect(await pixelDifference(join(reference, path), localPath), path).toBeNull();
      }
      await fresh.close();
    }
    expect(await pixelDifference(join(reference, '0012.png'), join(bakedByHand, '0012.png'))).toBeNull();
  });

  test('has the paths as they were written, where files stand elsewhere too', async () => {
    const load = 'bpy.data.images.load';
    await variant(
      'paths.blend',
      [
        `A = ${load}(${JSON.stringify(join(blender.scenes, 'textures/a.png'))})`,
        'B = A.copy()',
        'A.filepath, B.filepath = "//textures/a.png", "/elsewhere/b.png"',
        'A.use_fake_user = B.use_fake_user = True',
      ].join('\n'),
    );
    const remaps = [{ original: '/elsewhere/b.png', path: 'textures/a.png' }];
    const report = await baked('paths.blend', { remaps });
    const images = report.references.filter(({ kind }) => kind === 'image');
    expect(images).toMatchObject([{ status: 'present' }, { status: 'present' }]);
    const { references } = await warm.inspect(blender.scene('baked-paths.blend'));
    const written = references.filter(({ kind }) => kind === 'image').map(({ path }) => path);
    expect(written.sort()).toEqual(['//textures/a.png', '/elsewhere/b.png']);
  });

  test('is as rendered where the viewport shows less', async () => {
    await variant(
      'coarse.blend',
      [
        'O = next(o for o in bpy.data.objects if o.modifiers and o.modifiers[0].type == "CLOTH")',
        'O.modifiers.clear()',
        'M = O.modifiers.new("finer", "SUBSURF")',
        'M.levels, M.render_levels = 0, 1',
        'O.modifiers.new("cloth", "CLOTH").show_viewport = False',
      ].join('\n'),
    );
    const report = await baked('coarse.blend');
    expect(report.scenes[0]?.historyDependences).toEqual([]);
    const reference = await animation('baked-coarse.blend');
    const show = [
      'for O in bpy.data.objects:',
      '  for M in O.modifiers:',
      '    M.show_viewport = True',
      '    if M.type == "SUBSURF": M.levels = M.render_levels',
    ];
    const bakedByHand = await animation('coarse.blend', [...show, BAKE_ALL].join('\n'));
    expect(await pixelDifference(join(reference, '0012.png'), join(bakedByHand, '0012.png'))).toBeNull();
  });

  test('goes on listing a simulation that stays empty', async () => {
    await variant(
      'hidden.blend',
      'for O in bpy.data.objects: O.hide_viewport = any(m.type == "CLOTH" for m in O.modifiers)',
    );
    const report = await baked('hidden.blend');
    expect(report.scenes[0]?.historyDependences).toMatchObject([{ kind: 'cloth', modifier: 'cloth' }]);
  });
});
