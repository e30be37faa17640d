import { execFile } from 'node:child_process';
import { access, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { makeExampleScenes, makeSampleScene } from './scenes.ts';

const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'pictor-examples-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

it('makes every test scene, a project in a folder of its own', async () => {
  const projects = Object.values(await makeExampleScenes(join(folder, 'test-scenes')));
  await Promise.all(projects.map(({ path }) => access(path)));
  expect(new Set(projects.map(({ root }) => root)).size).toBe(projects.length);
});

it('makes the sample scene, whose frames any Blender can render without a denoiser', async () => {
  const file = join(folder, 'sample.blend');
  await makeSampleScene(file);
  const small = 'import bpy; bpy.context.scene.render.resolution_percentage = 10; bpy.context.scene.cycles.samples = 1';
  await run('blender', ['-b', file, '--python-expr', small, '-o', join(folder, 'frame-####'), '-f', '24']);
  expect(await readdir(folder)).toContain('frame-0024.png');
});
