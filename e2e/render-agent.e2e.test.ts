import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExampleProject, type ExampleScene, makeExampleScenes } from '../examples/scenes.ts';
import { waitUntilNothingRuns } from './left-running.ts';

const launcher = join(import.meta.dirname, '..', 'pictor');

let folder: string;
let env: NodeJS.ProcessEnv;
let scenes: Record<ExampleScene, ExampleProject>;
let up: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-agent-'));
  env = { ...process.env, PICTOR_HOME: join(folder, 'home'), PICTOR_SERVER: '', PICTOR_TOKEN: '' };
  scenes = await makeExampleScenes(join(folder, 'scenes'));
  up = start('up', '--agents', '0', '--listen', '127.0.0.1:0');
  await said(up, /Pictor is up/);
});

afterAll(async () => {
  up.kill('SIGTERM');
  if (up.exitCode === null) await once(up, 'exit');
  expect(await waitUntilNothingRuns(folder, 60_000)).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

function start(...args: string[]): ChildProcess {
  return spawn(launcher, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Resolves when the program has printed something that matches; rejects where it ends before. */
function said(program: ChildProcess, pattern: RegExp): Promise<void> {
  let text = '';
  return new Promise((resolve, reject) => {
    program.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (pattern.test(text)) resolve();
    });
    program.once('close', () => reject(new Error(`it ended without ${pattern}:\n${text}`)));
  });
}

async function pictor(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const run = promisify(execFile)(launcher, args, { cwd: folder, env });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
}

describe('pictor agent', () => {
  it('renders for the server that its config names, alone with that config, until Ctrl-C', async () => {
    const { stdout } = await pictor('worker', 'create', 'by hand');
    await writeFile(join(folder, 'worker-config.json'), stdout);
    const agent = start('agent', '--config', 'worker-config.json', '--data', 'agent-data');
    await said(agent, /connected to http/);

    const rendered = await pictor('render', scenes.cube.path, '--frames', '1-2', '--out', 'frames');
    expect(rendered).toMatchObject({ code: 0, stdout: expect.stringContaining('by hand') });
    expect((await readdir(join(folder, 'frames'))).sort()).toEqual(['0001.png', '0002.png']);

    const second = await pictor('agent', '--config', 'worker-config.json', '--data', 'elsewhere');
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/^error: /);

    agent.kill('SIGINT');
    expect((await once(agent, 'exit'))[0]).toBe(0);
    const alone = await pictor('render', scenes.cube.path, '--frames', '1', '--out', 'nobody');
    expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('No agent is connected') });
  });

  it('is refused with a config that does not exist or is none', async () => {
    expect((await pictor('agent', '--config', 'gone.json')).code).toBe(2);
    await writeFile(join(folder, 'broken.json'), '{}');
    expect(await pictor('agent', '--config', 'broken.json')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('broken.json'),
    });
  });
});
