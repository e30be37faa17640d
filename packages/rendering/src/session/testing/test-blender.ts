import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { BlenderBuild, RenderDevice, RenderSettings } from '@pictor/protocol';
import { findBlenders } from '../../builds/index.ts';
import { probeSandbox } from '../../sandbox/index.ts';
import type { SceneToOpen } from '../scene-to-open.ts';
import { createWarmBlender, type RenderedFrame, type WarmBlender, type WarmBlenderOptions } from '../warm-blender.ts';

const run = promisify(execFile);
const BLENDER = ['--factory-startup', '--disable-autoexec'];

export const CPU: RenderDevice = { deviceId: 'cpu', kind: 'CPU', name: 'CPU', backend: null, memoryBytes: 0 };

/** An entry of the driver's table (`persistent_data.py`) and a scene that has nothing else. */
export const PERSISTENT_DATA_SCENES = [
  ['hair', 'hair.blend'],
  ['adaptive subdivision', 'adaptive.blend'],
  ['points', 'points.blend'],
  ['animated render settings', 'animated-settings.blend'],
] as const;

/** A folder for one test file with the scenes of `make_scenes.py` in `scenes/`. */
export class TestBlender {
  readonly folder: string;
  readonly build: BlenderBuild;
  readonly #made: WarmBlender[] = [];

  private constructor(folder: string, path: string) {
    this.folder = folder;
    this.build = { path, version: '', sha256: '0'.repeat(64), engines: [], denoisers: [], needsDisplay: [] };
  }

  static async create(): Promise<TestBlender> {
    const [path] = await findBlenders([]);
    if (!path) throw new Error('These tests need Blender on the search path: ./pictor test installs it');
    const made = new TestBlender(await mkdtemp(join(tmpdir(), 'pictor-rendering-')), path);
    const script = join(import.meta.dirname, 'make_scenes.py');
    await run(path, ['-b', ...BLENDER, '--python-exit-code', '1', '--python', script, '--', made.scenes]);
    return made;
  }

  get scenes(): string {
    return join(this.folder, 'scenes');
  }

  async warm(options: Partial<WarmBlenderOptions> = {}): Promise<WarmBlender> {
    const sandbox = await probeSandbox();
    const workDir = await mkdtemp(join(this.folder, 'work-'));
    const needed = { build: this.build, device: CPU, sandbox, workDir, slot: 40, memoryLimitBytes: null };
    const made = createWarmBlender({ ...needed, ...options });
    this.#made.push(made);
    return made;
  }

  /** A job's scene; all scenes of the folder travel with it. */
  scene(file: string, settings: Partial<RenderSettings> = {}, options: Partial<SceneToOpen> = {}): SceneToOpen {
    const fill = (jobDir: string) => cp(this.scenes, jobDir, { recursive: true });
    const whole = { file, allowMissing: false, ...settings } as RenderSettings;
    return {
      snapshotId: `snapshot of ${file}`,
      ownerId: 'operator',
      file,
      remaps: [],
      fill,
      settings: whole,
      ...options,
    };
  }

  /** Frames as `blender -b` makes them, each in a scene loaded anew; `prepare` is Python that changes the scene `S` before. */
  async reference(file: string, frames: number[], options: { prepare?: string; scene?: string } = {}): Promise<string> {
    const out = await mkdtemp(join(this.folder, 'reference-'));
    // File Output nodes write where their folder in a job's outputs is.
    const nodes = [
      'for T in [S.node_tree, *bpy.data.node_groups] if S.use_nodes else []:',
      '  for N in [N for N in T.nodes if N.type == "OUTPUT_FILE"]:',
      '    P = (N.label or N.name).replace(":", "_").replace("/", "_")',
      `    N.base_path = ${JSON.stringify(out)} + "/" + P + "/" + ("all" if "MULTI" in N.format.file_format else "")`,
    ];
    const python = ['import bpy', 'S = bpy.context.scene', options.prepare ?? '', ...nodes].join('\n');
    const scene = options.scene === undefined ? [] : ['-S', options.scene];
    const args = ['-b', ...BLENDER, join(this.scenes, file), ...scene, '--python-expr', python, '-o', `${out}/####`];
    await run(this.build.path, [...args, '-f', frames.join(',')], { maxBuffer: 64 * 1024 * 1024 });
    return out;
  }

  /** Closes what `warm` made. */
  async closeWarm(): Promise<void> {
    await Promise.all(this.#made.splice(0).map((made) => made.close()));
  }

  async close(): Promise<void> {
    await this.closeWarm();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function renderFrame(
  warm: WarmBlender,
  number: number,
  options: Partial<Parameters<WarmBlender['render']>[0]> = {},
): Promise<RenderedFrame> {
  const quiet = { playFrom: null, timeouts: {}, onProgress: () => {}, onAlert: () => {} };
  return await warm.render({ number, ...quiet, signal: new AbortController().signal, ...options });
}

/** Renders frames in turn in the open scene; files by their path in the job's outputs. */
export async function renderFrames(warm: WarmBlender, numbers: number[]): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const number of numbers) {
    for (const { path, localPath } of (await renderFrame(warm, number)).files) files.set(path, localPath);
  }
  return files;
}

/** Paths below a folder, sorted. */
export async function pathsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** What differs between two pictures' decoded pixels, in idiff's words; null where none does. */
export async function pixelDifference(a: string, b: string): Promise<string | null> {
  try {
    await run('idiff', ['-a', '-fail', '0', '-warn', '0', a, b]);
    return null;
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error);
  }
}
