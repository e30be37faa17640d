import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ExampleProject, type ExampleScene, makeExampleScenes } from '../examples/scenes.ts';
import { waitUntilNothingRuns } from './left-running.ts';

/*
 * `pictor render` as its users run it: the launcher, an embedded network with real PostgreSQL and real Blender, frames in a folder.
 */

const launcher = join(import.meta.dirname, '..', 'pictor');

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Started {
  child: ChildProcess;
  ended: Promise<Run>;
  /** Resolves when stdout matches; rejects where it ends before. */
  waitFor: (pattern: RegExp) => Promise<void>;
}

let folder: string;
let home: string;
let scenes: Record<ExampleScene, ExampleProject>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pictor-e2e-'));
  // Kept from test to test: only the first has to make a database cluster and to probe Blender.
  home = join(folder, 'home');
  scenes = await makeExampleScenes(join(folder, 'scenes'));
});

afterEach(async () => {
  expect(await waitUntilNothingRuns(folder, 60_000)).toEqual([]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function start(command: string, args: string[]): Started {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, PICTOR_HOME: home, PICTOR_SERVER: '', PICTOR_TOKEN: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let isOver = false;
  const listeners = new Set<() => void>();
  const heard = () => {
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    heard();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Run>((resolve) => {
    child.on('close', (code) => {
      isOver = true;
      heard();
      resolve({ code, stdout, stderr });
    });
  });
  return {
    child,
    ended,
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(stdout) && !isOver) return;
          listeners.delete(look);
          if (pattern.test(stdout)) resolve();
          else reject(new Error(`it ended without ${pattern}:\n${stdout}\n${stderr}`));
        };
        listeners.add(look);
        look();
      }),
  };
}

const render = (...args: string[]) => start(launcher, ['render', ...args]).ended;

async function eventually(check: () => Promise<void>): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await sleep(100)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

const filesIn = async (name: string) => (await readdir(join(folder, name), { recursive: true })).sort();
const out = (name: string) => ['--out', join(folder, name)];

/** A job that goes on for minutes if nobody stops it. */
const longJob = (name: string) => [scenes.cube.path, '--frames', '1-4000', ...out(name)];

describe('pictor render', () => {
  it('renders a project of several files on a network of its own and stops that', async () => {
    const { root, file } = scenes.linked;
    const { code, stdout, stderr } = await render(
      '--project',
      root,
      '--file',
      file,
      '--frames',
      '1-3',
      ...out('linked'),
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('3 frames done');
    expect(await filesIn('linked')).toEqual(['0001.png', '0002.png', '0003.png']);
  });

  it('renders a lone .blend with the files it uses, wherever they are', async () => {
    const { code, stderr } = await render(scenes.linked.path, '--frames', '0,5', ...out('lone'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await filesIn('lone')).toEqual(['0000.png', '0005.png']);
  });

  it('prints one event a line, in the format and size asked for', async () => {
    const options = [
      '--format',
      'openexr:32',
      '--resolution',
      '50%',
      '--frames-per-node',
      '1',
      '--agents',
      '2',
      '--json',
    ];
    const { code, stdout } = await render(scenes.textured.path, '--frames', '1-2', ...options, ...out('exr'));
    expect(code).toBe(0);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.filter((event) => event.event === 'downloaded').map((event) => event.path)).toEqual(
      expect.arrayContaining(['0001.exr', '0002.exr']),
    );
    expect(events.at(-1)).toMatchObject({ event: 'finished', status: 'completed', succeeded: 2, failed: 0, files: 2 });
  });

  it('refuses missing files by path, and renders without them where it may', async () => {
    const refused = await render(scenes.missingTexture.path, '--frames', '1', ...out('missing'));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('missing-texture.blend');
    expect(refused.stderr).toContain('--allow-missing');
    await expect(stat(join(folder, 'missing'))).rejects.toThrow('ENOENT');
    const allowed = await render(scenes.missingTexture.path, '--frames', '1', '--allow-missing', ...out('missing'));
    expect(allowed.code).toBe(0);
  });

  it('refuses a scene without a camera, one that wants a denoiser nobody has, and one that depends on earlier frames', async () => {
    for (const [scene, said] of [
      [scenes.noCamera, 'camera'],
      [scenes.denoised, '--denoiser off'],
      [scenes.history, '--sequential'],
    ] as const) {
      const { code, stderr } = await render(scene.path, '--frames', '1', ...out('refused'));
      expect(code).toBe(2);
      expect(stderr).toContain(scene.file);
      expect(stderr).toContain(said);
    }
    await expect(stat(join(folder, 'refused'))).rejects.toThrow('ENOENT');
    expect((await render(scenes.denoised.path, '--frames', '1', '--denoiser', 'off', ...out('noisy'))).code).toBe(0);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is canceled by %s and leaves nothing running', async (signal, exitCode) => {
    const run = start(launcher, ['render', ...longJob('canceled')]);
    await run.waitFor(/frame \d+ done/);
    run.child.kill(signal);
    const { code, stderr } = await run.ended;
    expect(code).toBe(exitCode);
    expect(stderr).toContain('canceled');
    // The folder went too where no frame had arrived yet.
    const left = await filesIn('canceled').catch(() => []);
    expect(left.filter((name) => !/^\d{4}\.png$/.test(name))).toEqual([]);
  });

  it('leaves nothing running where it is killed itself', async () => {
    const run = start(launcher, ['render', ...longJob('killed')]);
    await run.waitFor(/frame \d+ done/);
    run.child.kill('SIGKILL');
    await run.ended;
  });

  it('finishes although the server and the agent are killed meanwhile', async () => {
    const run = start(launcher, ['render', scenes.cube.path, '--frames', '1-60', ...out('healed')]);
    await run.waitFor(/frame \d+ done/);
    const { pid } = JSON.parse(await readFile(join(home, 'embedded/server.json'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await run.waitFor(/frame [2-5]\d done/);
    for (const each of await readdir('/proc')) {
      const commandLine = await readFile(`/proc/${each}/cmdline`, 'utf8').catch(() => '');
      if (commandLine.includes('apps/agent/src/main.ts') && commandLine.includes(home))
        process.kill(Number(each), 'SIGKILL');
    }
    const { code } = await run.ended;
    expect(code).toBe(0);
    expect((await filesIn('healed')).length).toBe(60);
  });
});

describe('pictor render on a terminal', () => {
  /** `script` gives it a terminal of its own. */
  const onTerminal = (...args: string[]) =>
    start('script', ['-qec', [launcher, 'render', ...args].map((arg) => `'${arg}'`).join(' '), '/dev/null']);

  it('asks at Ctrl-C whether the job goes on, and lets it go on in the background', async () => {
    const run = onTerminal(scenes.cube.path, '--frames', '1-60', ...out('background'));
    await run.waitFor(/frame \d+ done/);
    run.child.stdin?.write('\x03');
    await run.waitFor(/in the background, or be canceled/);
    run.child.stdin?.write('b\n');
    await run.waitFor(/goes on in the background/);
    await run.ended;
    await eventually(async () => expect((await filesIn('background')).length).toBe(60));
  });

  it('asks whether to render without a denoiser that no agent has', async () => {
    const run = onTerminal(scenes.denoised.path, '--frames', '1', ...out('asked'));
    await run.waitFor(/Render without denoising\?/);
    run.child.stdin?.write('y\n');
    expect((await run.ended).code).toBe(0);
    expect(await filesIn('asked')).toEqual(['0001.png']);
  });

  it('cancels at a second Ctrl-C', async () => {
    const run = onTerminal(...longJob('second'));
    await run.waitFor(/frame \d+ done/);
    run.child.stdin?.write('\x03');
    await run.waitFor(/in the background, or be canceled/);
    run.child.stdin?.write('\x03');
    expect((await run.ended).code).toBe(130);
  });
});
