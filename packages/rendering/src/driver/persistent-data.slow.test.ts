import { execFile } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PERSISTENT_DATA_SCENES, pixelDifference, TestBlender } from '../session/testing/test-blender.ts';

const run = promisify(execFile);

let blender: TestBlender;

beforeAll(async () => {
  blender = await TestBlender.create();
});
afterAll(() => blender?.close());

/** Renders the frames in one Blender that keeps its data. */
async function renderKeepingData(file: string, frames: number[]): Promise<string> {
  const folder = await mkdtemp(join(blender.folder, 'kept-'));
  const python = [
    'import bpy',
    'S = bpy.context.scene',
    'S.render.use_persistent_data = True',
    `S.render.filepath = ${JSON.stringify(`${folder}/####`)}`,
    `for F in ${JSON.stringify(frames)}:`,
    '  S.frame_start = S.frame_end = F',
    '  bpy.ops.render.render(animation=True)',
  ].join('\n');
  await run(blender.build.path, ['-b', '--factory-startup', join(blender.scenes, file), '--python-expr', python]);
  return folder;
}

/** What the driver's table says of each scene. */
async function unsafeFeatures(files: string[]): Promise<Record<string, string[]>> {
  const answer = join(blender.folder, 'unsafe.json');
  const python = [
    'import bpy, json, sys',
    'sys.dont_write_bytecode = True',
    `sys.path.insert(0, ${JSON.stringify(import.meta.dirname)})`,
    'from persistent_data import unsafe_features',
    'found = {}',
    `for F in ${JSON.stringify(files)}:`,
    `  bpy.ops.wm.open_mainfile(filepath=${JSON.stringify(blender.scenes)} + "/" + F)`,
    '  found[F] = unsafe_features(bpy.context.scene)',
    `json.dump(found, open(${JSON.stringify(answer)}, "w"))`,
  ].join('\n');
  await run(blender.build.path, ['-b', '--factory-startup', '--python-exit-code', '1', '--python-expr', python]);
  return JSON.parse(await readFile(answer, 'utf8'));
}

describe('the table of scenes for which data is not kept', () => {
  test.each(PERSISTENT_DATA_SCENES)('%s: kept data changes pixels', async (_, file) => {
    const [kept, fresh] = [await renderKeepingData(file, [1, 2, 3]), await blender.reference(file, [2, 3])];
    const differences = await Promise.all(
      ['0002.png', '0003.png'].map((name) => pixelDifference(join(fresh, name), join(kept, name))),
    );
    expect(differences.some((difference) => difference !== null)).toBe(true);
  });

  test('names what is unsafe in a scene, and nothing where pixels stay the same', async () => {
    const safe = ['materials.blend', 'motion.blend', 'scattered.blend', 'layers.blend', 'eevee.blend'];
    const expected = [
      ...PERSISTENT_DATA_SCENES.map(([feature, file]) => [file, [feature]]),
      ...safe.map((file) => [file, []]),
    ];
    const files = expected.map(([file]) => String(file));
    expect(await unsafeFeatures(files)).toEqual(Object.fromEntries(expected));
  });
});
