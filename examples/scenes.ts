import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The test scenes, each a project in a folder of its own: its root and the .blend within it. README.md says what is in them. */
export const EXAMPLE_SCENES = {
  cube: { root: 'cube', file: 'cube.blend' },
  textured: { root: 'textured', file: 'textured.blend' },
  linked: { root: 'linked', file: 'scenes/linked.blend' },
  eevee: { root: 'eevee', file: 'eevee.blend' },
  animatedCamera: { root: 'animated-camera', file: 'animated-camera.blend' },
  history: { root: 'history', file: 'history.blend' },
  fileOutput: { root: 'file-output', file: 'file-output.blend' },
  stereo: { root: 'stereo', file: 'stereo.blend' },
  missingTexture: { root: 'missing-texture', file: 'missing-texture.blend' },
  noCamera: { root: 'no-camera', file: 'no-camera.blend' },
  denoised: { root: 'denoised', file: 'denoised.blend' },
  movie: { root: 'movie', file: 'movie.blend' },
} as const satisfies Record<string, { root: string; file: string }>;

export type ExampleScene = keyof typeof EXAMPLE_SCENES;

/** A project on this machine: absolute root, the .blend relative to it, and absolute. */
export interface ExampleProject {
  root: string;
  file: string;
  path: string;
}

async function runBlender(script: string, argument: string, blender: string): Promise<void> {
  const args = ['-b', '--factory-startup', '--python-exit-code', '1', '--python', join(import.meta.dirname, script)];
  await run(blender, [...args, '--', argument], { maxBuffer: 2 ** 24 });
}

/** Makes every test scene in `folder` (absolute), with one start of Blender: about two seconds. */
export async function makeExampleScenes(
  folder: string,
  blender = 'blender',
): Promise<Record<ExampleScene, ExampleProject>> {
  await runBlender('make-test-scenes.py', folder, blender);
  const projects = Object.entries(EXAMPLE_SCENES).map(([name, { root, file }]) => [
    name,
    { root: join(folder, root), file, path: join(folder, root, file) },
  ]);
  return Object.fromEntries(projects);
}

/** Makes the scene of `pictor demo` as `file` (absolute, ends with `.blend`). */
export async function makeSampleScene(file: string, blender = 'blender'): Promise<void> {
  await runBlender('make-sample-scene.py', file, blender);
}
