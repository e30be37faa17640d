import { execFileSync } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FailureKind } from '@pictor/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RenderFailure } from '../render-failure.ts';
import { probeSandbox } from '../sandbox/index.ts';
import { pixelDifference, renderFrame, TestBlender } from './testing/test-blender.ts';
import type { RenderedFrame, WarmBlender } from './warm-blender.ts';

const MIB = 1024 ** 2;

let blender: TestBlender;

beforeAll(async () => {
  blender = await TestBlender.create();
});
afterEach(() => blender.closeWarm());
afterAll(() => blender?.close());

async function failureOf(work: Promise<unknown>): Promise<RenderFailure> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RenderFailure);
  return error as RenderFailure;
}

/** How often a scene's files were put into a Blender's folder. */
function countingFill() {
  let times = 0;
  const { fill } = blender.scene('plain.blend');
  const counting = {
    fill: (jobDir: string) => {
      times += 1;
      return fill(jobDir);
    },
  };
  return { counting, filled: () => times };
}

async function expectSamePicture(a: RenderedFrame, b: RenderedFrame): Promise<void> {
  expect(await pixelDifference(a.files[0]?.localPath ?? '', b.files[0]?.localPath ?? '')).toBeNull();
}

interface Descendant {
  pid: number;
  name: string;
}

/** What this process started, through whatever shells and sandboxes. */
function processesOfTest(): Descendant[] {
  const lines = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' }).trim().split('\n');
  const processes = lines.map((line) => line.trim().split(/\s+/)).map(([pid, parent, name]) => ({ pid, parent, name }));
  const isOurs = (pid: string | undefined): boolean =>
    pid === String(process.pid) || processes.some((each) => each.pid === pid && isOurs(each.parent));
  return processes.filter(({ pid }) => isOurs(pid)).map(({ pid, name }) => ({ pid: Number(pid), name: name ?? '' }));
}

function namesOfProcesses(): string[] {
  return processesOfTest().map(({ name }) => name);
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

function signalBlendersOfTest(signal: NodeJS.Signals): void {
  for (const { pid, name } of processesOfTest()) if (name === 'blender') process.kill(pid, signal);
}

describe('a warm Blender', () => {
  test('renders further frames of a scene without loading it again', async () => {
    const warm = await blender.warm();
    expect(warm.warmScene()).toBeNull();
    const opened = await warm.open(blender.scene('plain.blend'));
    expect(opened.warm).toBe(false);
    expect(warm.warmScene()).toEqual({ snapshotId: 'snapshot of plain.blend', file: 'plain.blend' });
    const progress: string[] = [];
    const first = await renderFrame(warm, 1, { onProgress: ({ phase }) => progress.push(phase) });
    const second = await renderFrame(warm, 2);
    expect([first.warm, second.warm]).toEqual([false, true]);
    expect(await warm.open(blender.scene('plain.blend'))).toEqual({ warm: true, loadSeconds: 0 });
    expect([...new Set(progress)]).toEqual(['syncing', 'rendering', 'writing']);
    expect(first.files).toMatchObject([{ kind: 'picture', path: '0001.png' }]);
    expect(first.peakMemoryBytes).toBeGreaterThan(0);
    expect(first.log).toContain('Saved:');
    expect(first.log).not.toContain('Fra:');
  });

  test('gives the pixels of a fresh Blender after another scene and other settings', async () => {
    const warm = await blender.warm();
    const settings = { samples: 3 };
    await warm.open(blender.scene('plain.blend', settings));
    const fresh = await renderFrame(warm, 2);
    await warm.open(blender.scene('plain.blend', { samples: 7, resolution: { percent: 50 }, engine: 'WORKBENCH' }));
    await renderFrame(warm, 2);
    await warm.open(blender.scene('plain.blend', settings));
    await expectSamePicture(fresh, await renderFrame(warm, 2));
    await warm.open(blender.scene('motion.blend'));
    await renderFrame(warm, 2);
    await warm.open(blender.scene('plain.blend', settings));
    await expectSamePicture(fresh, await renderFrame(warm, 2));
  });

  test('serves another owner from another Blender, and keeps the scene of an inspection for its job', async () => {
    const warm = await blender.warm();
    const { counting, filled } = countingFill();
    const report = await warm.inspect(blender.scene('plain.blend', {}, counting));
    expect(report.scenes).toMatchObject([{ name: 'Scene', engine: 'CYCLES', camera: 'Camera' }]);
    expect(warm.warmScene()).toBeNull();
    await warm.open(blender.scene('plain.blend', {}, counting));
    expect(filled()).toBe(1);
    await warm.open(blender.scene('plain.blend', {}, { ...counting, ownerId: 'another' }));
    expect(filled()).toBe(2);
  });

  test('plays a history-dependent scene up to the frame, as rendering from the first frame does', async () => {
    const sequence = await blender.reference('cloth.blend', [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const jump = await blender.reference('cloth.blend', [9]);
    const warm = await blender.warm();
    await warm.open(blender.scene('cloth.blend'));
    expect(await pixelDifference(join(sequence, '0009.png'), join(jump, '0009.png'))).not.toBeNull();
    for (const number of [9, 6, 7]) {
      const played = await renderFrame(warm, number, { playFrom: 1 });
      expect(await pixelDifference(join(sequence, `000${number}.png`), played.files[0]?.localPath ?? '')).toBeNull();
    }
  });

  test('renders without walls too', async () => {
    const sandbox = { ...(await probeSandbox()), level: 'none' as const };
    const warm = await blender.warm({ sandbox });
    await warm.open(blender.scene('plain.blend'));
    const bare = await renderFrame(warm, 2);
    const walled = await blender.warm();
    await walled.open(blender.scene('plain.blend'));
    await expectSamePicture(bare, await renderFrame(walled, 2));
  });

  test('gets a display for an engine that needs one here', async () => {
    const warm = await blender.warm({ build: { ...blender.build, needsDisplay: ['WORKBENCH'] } });
    await warm.open(blender.scene('plain.blend'));
    expect(namesOfProcesses()).not.toContain('Xvfb');
    await warm.open(blender.scene('plain.blend', { engine: 'WORKBENCH' }));
    expect(namesOfProcesses()).toContain('Xvfb');
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('ends an inspection in work when it is closed', async () => {
    const warm = await blender.warm();
    const fill = async (jobDir: string) => {
      await blender.scene('plain.blend').fill(jobDir);
      void warm.close();
    };
    await failureOf(warm.inspect(blender.scene('plain.blend', {}, { fill })));
    await warm.close();
    expect(namesOfProcesses()).not.toContain('blender');
  });

  test('leaves no process and no folder behind when it is closed', async () => {
    const workDir = join(blender.folder, 'closed');
    const warm = await blender.warm({ workDir });
    await warm.open(blender.scene('plain.blend', { engine: 'WORKBENCH' }));
    await renderFrame(warm, 1);
    await warm.close();
    expect(await readdir(workDir)).toEqual(['frame-1']);
    expect(namesOfProcesses()).not.toContain('blender');
  });
});

describe('what fails says how, and the next frame renders all the same', () => {
  async function expectFailureToOpen(
    warm: WarmBlender,
    file: string,
    settings: object,
    kind: FailureKind,
    text: RegExp,
  ) {
    const failure = await failureOf(warm.open(blender.scene(file, settings)));
    expect([failure.kind, failure.message]).toEqual([kind, expect.stringMatching(text)]);
  }

  test('a file that is no scene, or that the project lacks', async () => {
    await writeFile(join(blender.scenes, 'text.blend'), 'This is no scene.');
    const warm = await blender.warm();
    await expectFailureToOpen(warm, 'text.blend', {}, 'scene-invalid', /cannot open text.blend/);
    await expectFailureToOpen(warm, 'nowhere.blend', {}, 'scene-invalid', /no file nowhere.blend/);
    await warm.open(blender.scene('plain.blend'));
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('settings that the file or the device lacks', async () => {
    const warm = await blender.warm();
    const plain = 'plain.blend';
    await expectFailureToOpen(warm, plain, { scene: 'X' }, 'scene-invalid', /no scene 'X'. It has: Scene/);
    await expectFailureToOpen(warm, plain, { camera: 'X' }, 'scene-invalid', /no camera 'X'. It has: Camera/);
    await expectFailureToOpen(
      warm,
      plain,
      { viewLayers: ['X'] },
      'scene-invalid',
      /no view layer 'X'. It has: ViewLayer/,
    );
    await expectFailureToOpen(warm, plain, { device: 'GPU' }, 'device-unavailable', /wants GPU/);
  });

  test('a missing texture, unless missing files are allowed', async () => {
    const warm = await blender.warm();
    await expectFailureToOpen(warm, 'missing.blend', {}, 'input-missing', /\/\/textures\/not-there.png/);
    await warm.open(blender.scene('missing.blend', { allowMissing: true }));
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('a scene without a camera', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('without-camera.blend'));
    const failure = await failureOf(renderFrame(warm, 1));
    expect([failure.kind, failure.message]).toEqual(['scene-invalid', expect.stringMatching(/no camera/)]);
  });

  test('a denoiser that the build lacks, unless denoising is off', async ({ skip }) => {
    const warm = await blender.warm();
    await warm.open(blender.scene('denoising.blend'));
    const outcome = await renderFrame(warm, 1).catch((error: unknown) => error);
    if (!(outcome instanceof RenderFailure)) return skip('This Blender has OpenImageDenoise');
    expect(outcome.kind).toBe('denoiser-missing');
    await warm.open(blender.scene('denoising.blend', { denoiser: 'off' }));
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('a Blender that is killed from outside: the scene is opened again for the next frame', async () => {
    const warm = await blender.warm();
    const { counting, filled } = countingFill();
    await warm.open(blender.scene('endless.blend', {}, counting));
    const failure = await failureOf(renderFrame(warm, 1, { onProgress: once(() => signalBlendersOfTest('SIGKILL')) }));
    expect([failure.kind, failure.message]).toEqual(['blender-crashed', expect.stringMatching(/SIGKILL/)]);
    expect(filled()).toBe(1);
    const again = await failureOf(renderFrame(warm, 2, { timeouts: { stopSeconds: 1 } }));
    expect([again.kind, filled()]).toEqual(['timed-out', 2]);
  });
});

describe('a scene whose script gets to run', () => {
  test('gains nothing by speaking the protocol of the driver', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('impostor.blend'));
    const failure = await failureOf(renderFrame(warm, 1));
    expect([failure.kind, failure.message]).toEqual([
      'blender-error',
      expect.stringMatching(/in the name of Pictor's driver/),
    ]);
    await warm.open(blender.scene('plain.blend'));
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('gains nothing by leaving a link as its picture', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('linking.blend'));
    const failure = await failureOf(renderFrame(warm, 1));
    expect([failure.kind, failure.message]).toEqual(['output-refused', expect.stringMatching(/symbolic link/)]);
  });
});

describe('the watchdog', () => {
  test('tells of a frame that takes long, with evidence, then stops it', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('endless.blend'));
    const alerts: [string, string][] = [];
    const timeouts = { alertSeconds: 0.5, analysisSeconds: 1, stopSeconds: 2 };
    const onAlert = (level: string, evidence: string) => void alerts.push([level, evidence]);
    const failure = await failureOf(renderFrame(warm, 1, { timeouts, onAlert }));
    expect(failure.kind).toBe('timed-out');
    expect(failure.message).toContain('stop timeout of 2 s');
    expect(alerts.map(([level]) => level)).toEqual(['alert', 'analysis']);
    expect(alerts[1]?.[1]).toMatch(
      /s of CPU used, at most \d+ MiB of memory. Blender last said: Fra:1 .*Sample \d+\/1000000/,
    );
    await warm.open(blender.scene('plain.blend'));
    expect((await renderFrame(warm, 1)).files).toHaveLength(1);
  });

  test('says so where Blender stands still', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('endless.blend'));
    const stopped = once(() => signalBlendersOfTest('SIGSTOP'));
    const timeouts = { analysisSeconds: 1, stopSeconds: 2 };
    const failure = await failureOf(renderFrame(warm, 1, { timeouts, onProgress: stopped }));
    expect([failure.kind, failure.message]).toEqual(['no-progress', expect.stringMatching(/used no CPU/)]);
  });

  test('ends a scene that needs more memory than allowed', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('memory.blend', {}, { memoryLimitBytes: 500 * MIB }));
    const failure = await failureOf(renderFrame(warm, 1));
    expect([failure.kind, failure.message]).toEqual([
      'out-of-memory',
      expect.stringMatching(/while rendering frame 1/),
    ]);
  });

  test('ends a frame at once when it is aborted', async () => {
    const warm = await blender.warm();
    await warm.open(blender.scene('endless.blend'));
    const controller = new AbortController();
    const reason = new Error('the job was canceled');
    const rendering = renderFrame(warm, 1, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(rendering).rejects.toBe(reason);
    expect(warm.warmScene()).toBeNull();
  });
});
