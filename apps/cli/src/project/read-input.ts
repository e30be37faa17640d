import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type BlendFileCheck, checkBlendFile } from '@pictor/blend-file';
import { PictorError } from '@pictor/protocol';
import { collectFolder } from './collect-folder.ts';
import { collectLoneFile } from './collect-lone-file.ts';
import type { ProjectFiles } from './project-files.ts';

/** What the user named: a lone .blend, or a .blend within a project folder. */
export interface InputOptions {
  scene?: string;
  project?: string;
  file?: string;
  /** Frames go here: it does not travel with the project. */
  out: string | null;
  blenders: string[];
}

export interface Input {
  /** What messages call the scene. */
  name: string;
  header: BlendFileCheck['header'];
  /** Lists the files that travel with it; of a lone .blend Blender has to say which, so it takes a while. */
  collect: (signal: AbortSignal) => Promise<ProjectFiles>;
}

/**
 * Checks the .blend that was named, and the project folder around it.
 *
 * @throws PictorError with an input code, naming the file
 */
export async function readInput(options: InputOptions): Promise<Input> {
  const { scene, project, file } = options;
  if (project === undefined) {
    if (file !== undefined) throw usage('--file names a .blend within a project folder: give --project too.');
    if (scene === undefined) throw usage('Which scene? Give a .blend, or a folder with --project and --file.');
    return readLoneFile(scene, options);
  }
  const inside = file ?? scene;
  if (inside === undefined) throw usage('Which .blend of the project? Give --file with its path within --project.');
  if (file !== undefined && scene !== undefined)
    throw usage(`Both ${scene} and --file ${file} are given: leave one out.`);
  const collected = await collectFolder({ project, file: inside, out: options.out });
  const { header } = await checkBlendFile(join(project, collected.file), collected.file);
  return { name: collected.file, header, collect: async () => collected };
}

async function readLoneFile(scene: string, options: InputOptions): Promise<Input> {
  const path = resolve(scene);
  const stats = await stat(path).catch(() => null);
  if (stats?.isDirectory()) {
    throw usage(`${scene} is a folder. Render a project folder with --project ${scene} --file SCENE.blend.`);
  }
  const { header } = await checkBlendFile(path, scene);
  const { blenders } = options;
  return { name: basename(path), header, collect: (signal) => collectLoneFile(path, { blenders, signal }) };
}

function usage(message: string): PictorError {
  return new PictorError('usage', message);
}
