import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { InspectionReport, type PathRemap } from '@pictor/protocol';
import { z } from 'zod';

const run = promisify(execFile);

/** Runs a script of this folder in the system's Blender, as the driver's is run but for the sandbox. */
export async function runBlender(script: string, args: string[]): Promise<void> {
  const options = ['-b', '--factory-startup', '--disable-autoexec', '--python-exit-code', '1'];
  await run('blender', [...options, '--python', join(import.meta.dirname, script), '--', ...args], {
    maxBuffer: 2 ** 26,
  });
}

export interface FileToInspect {
  file: string;
  root: string;
  remaps?: PathRemap[];
  /** Where to render the current frame to. */
  picture?: string;
}

/** Inspects the files with one start of Blender; `folder` is for notes between the two. */
export async function inspectFiles(folder: string, files: FileToInspect[]): Promise<InspectionReport[]> {
  const notes = join(folder, 'request.json');
  const requests = files.map(({ file, root, remaps = [], picture = null }) => ({ file, root, remaps, picture }));
  await writeFile(notes, JSON.stringify(requests));
  await runBlender('inspect_files.py', [notes]);
  const answers = z.array(z.object({ report: InspectionReport })).parse(JSON.parse(await readFile(notes, 'utf8')));
  return answers.map(({ report }) => report);
}
