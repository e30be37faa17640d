import { constants } from 'node:fs';
import { chmod, copyFile, mkdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { BlenderBuild, PathRemap, RenderDevice, SceneReference } from '@pictor/protocol';
import type { SandboxProbe } from '../sandbox/index.ts';
import { createWarmBlender } from '../session/index.ts';
import { expandPattern, fileStatus } from './referenced-files.ts';

/** Each round shows Blender one more level of linked libraries. */
const MAX_ROUNDS = 32;
const MAX_LIBRARIES = 2_000;
const CPU: RenderDevice = { deviceId: 'cpu', kind: 'CPU', name: 'CPU', backend: null, memoryBytes: 0 };

/**
 * Lists every file that a lone .blend uses, those of linked libraries included. Blender runs in the sandbox and sees copies of the
 * .blend and of the libraries it links, nothing else; whether a file is there is looked up outside, by this process.
 *
 * `resolved` and `library` of the references are absolute on this machine; sequences, UDIM tiles and folders are one entry per file.
 *
 * @param file Absolute, or relative to the working directory.
 * @param workDir Private to this call.
 * @throws RenderFailure `scene-invalid`, `blender-crashed` … where Blender cannot open the file.
 */
export async function traceScene(
  file: string,
  build: BlenderBuild,
  sandbox: SandboxProbe,
  workDir: string,
): Promise<SceneReference[]> {
  const scene = resolve(file);
  const blender = createWarmBlender({ build, device: CPU, sandbox, workDir, slot: 0, memoryLimitBytes: null });
  const libraries = new Set<string>();
  const seen = new Map<string, SceneReference>();
  try {
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const report = await blender.inspect({
        snapshotId: `trace-${round}`,
        ownerId: 'trace',
        file: placeOf(scene),
        remaps: remapsOf(libraries),
        fill: (jobDir) => copyAll([scene, ...libraries], jobDir),
      });
      const isLast = !(await addLibraries(report.references, libraries, seen));
      if (isLast) {
        for (const reference of report.references.filter(({ kind }) => kind !== 'library'))
          await addFiles(reference, seen);
        break;
      }
    }
  } finally {
    await blender.close();
  }
  return [...seen.values()];
}

/**
 * The whole file system is mirrored below the job's folder, so relative paths lead to the mirrored places; absolute ones are
 * remapped to them.
 */
function placeOf(path: string): string {
  return path.replace(/^\/+/, '');
}

/** The path on this machine of what an inspection of the mirror names. */
function absoluteOf(resolved: string): string {
  // `//../x`: above the root of the file system, which is the root.
  return isAbsolute(resolved) && !resolved.startsWith('//') ? resolved : resolve('/', resolved.replace(/^\/\//, ''));
}

function remapsOf(libraries: Set<string>): PathRemap[] {
  return [...libraries].map((path) => ({ original: path, path: placeOf(path) }));
}

async function copyAll(files: string[], jobDir: string): Promise<void> {
  for (const file of files) {
    const copy = join(jobDir, placeOf(file));
    await mkdir(dirname(copy), { recursive: true });
    await copyFile(file, copy, constants.COPYFILE_FICLONE);
    // Blender runs as nobody, the creator's files may be private.
    await chmod(copy, 0o644);
  }
}

/** Records the libraries that were not seen yet; true where one of them can be shown to Blender now. */
async function addLibraries(
  references: SceneReference[],
  libraries: Set<string>,
  seen: Map<string, SceneReference>,
): Promise<boolean> {
  const before = libraries.size;
  for (const reference of references.filter(({ kind }) => kind === 'library')) {
    const path = absoluteOf(reference.resolved);
    // The first round names it as it was written, later ones name its place in the mirror.
    if (seen.has(keyOf('library', path))) continue;
    const status = libraries.size < MAX_LIBRARIES ? await fileStatus(path, 'library') : 'outside';
    seen.set(keyOf('library', path), { ...reference, resolved: path, status });
    if (status === 'present') libraries.add(path);
  }
  return libraries.size > before;
}

async function addFiles(reference: SceneReference, seen: Map<string, SceneReference>): Promise<void> {
  const named = absoluteOf(reference.resolved);
  const library = reference.library === undefined ? undefined : absoluteOf(reference.library);
  const files = await expandPattern(named, reference.pattern);
  for (const path of files.length > 0 ? files : [named]) {
    const status = await fileStatus(path, reference.kind);
    const entry = { ...reference, resolved: path, status, ...(library === undefined ? {} : { library }) };
    seen.set(keyOf(reference.kind, path, reference.path, library), entry);
  }
}

function keyOf(...parts: (string | undefined)[]): string {
  return parts.join('\0');
}
