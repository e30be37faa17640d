import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExampleProject, type ExampleScene, makeExampleScenes } from '../examples/scenes.ts';
import { waitUntilNothingRuns } from './left-running.ts';

const run = promisify(execFile);
const launcher = join(import.meta.dirname, '..', 'pictor');

let folder: string;
let scenes: Record<ExampleScene, ExampleProject>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-bake-'));
  scenes = await makeExampleScenes(join(folder, 'scenes'));
});

afterAll(async () => {
  expect(await waitUntilNothingRuns(folder, 60_000)).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

async function render(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, PICTOR_HOME: join(folder, 'home'), PICTOR_SERVER: '', PICTOR_TOKEN: '' };
  const child = spawn(launcher, ['render', ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}

describe('pictor render --bake', () => {
  it('has one agent bake the simulations, and all render what blender -b -a shows of a scene baked in Blender', async () => {
    const { root, file, path } = scenes.history;
    const order = ['--project', root, '--file', file, '--frames', '6-12x2', '--frames-per-node', '1'];
    const { code, stdout, stderr } = await render(...order, '--bake', '--agents', '2', '--out', 'frames');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('baking cloth of Sheet');
    const names = ['0006.png', '0008.png', '0010.png', '0012.png'];
    expect((await readdir(join(folder, 'frames'))).sort()).toEqual(names);

    const reference = join(folder, 'reference');
    const bake = 'import bpy; bpy.ops.ptcache.bake_all(bake=True)';
    const blend = ['-b', '--factory-startup', '--disable-autoexec', path, '--python-expr', bake];
    const args = [...blend, '-o', `${reference}/####`, '-a'];
    await run('blender', args, { maxBuffer: 2 ** 26 });
    for (const name of names) {
      const pictures = [join(reference, name), join(folder, 'frames', name)];
      await run('idiff', ['-a', '-fail', '0', '-warn', '0', ...pictures]);
    }
  });

  it('is offered where a scene has something to bake, and is not for frames after the baked ones', async () => {
    const { path } = scenes.history;
    const refused = await render(path, '--frames', '4', '--out', 'refused');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--bake') });
    const beyond = await render(path, '--frames', '4,13', '--bake', '--out', 'refused');
    expect(beyond).toMatchObject({ code: 2, stderr: expect.stringContaining('Frame 13 was not baked') });
    expect((await render(path, '--bake', '--sequential')).code).toBe(2);
  });
});
