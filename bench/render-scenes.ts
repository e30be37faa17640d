import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const scripts = join(import.meta.dirname, 'scenes');

/** A scene of the render benchmark, and how much of `blender -b -a` ours may take on it (issue 2). */
export interface BenchScene {
  name: string;
  file: string;
  start: number;
  end: number;
  /** Ours at most this share of `blender -b -a`. */
  targetShare: number;
}

const blender = (args: string[]) => run('blender', ['-b', '--factory-startup', ...args], { maxBuffer: 2 ** 26 });

/** bmw27 lies beside the clone on some machines only; without it the row is left out, and the table says so. */
async function bmw27(folder: string): Promise<BenchScene | null> {
  const source = join(import.meta.dirname, '../../shared/scenes/bmw27/bmw27_cpu.blend');
  const present = await access(source).then(
    () => true,
    () => false,
  );
  if (!present) return null;
  const file = join(folder, 'bmw27', 'bmw27.blend');
  await mkdir(join(folder, 'bmw27'), { recursive: true });
  await blender(['--python', join(scripts, 'bmw27-moving-camera.py'), '--', source, file]);
  return { name: 'bmw27', file, start: 1, end: 8, targetShare: 0.6 };
}

async function generated(folder: string, name: string, end: number, targetShare: number): Promise<BenchScene> {
  const file = join(folder, name, `${name}.blend`);
  await mkdir(join(folder, name), { recursive: true });
  await blender(['--python', join(scripts, `${name}.py`), '--', file]);
  return { name, file, start: 1, end, targetShare };
}

/** Makes the scenes in `folder`, each in a folder of its own. */
export async function makeBenchScenes(folder: string): Promise<BenchScene[]> {
  const scenes = [
    await bmw27(folder),
    await generated(folder, 'heavy-geometry', 8, 0.25),
    await generated(folder, 'sampling-bound', 3, 1.03),
  ];
  return scenes.filter((scene) => scene !== null);
}
