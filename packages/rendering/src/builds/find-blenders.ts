import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PictorError } from '@pictor/protocol';

const run = promisify(execFile);
/** A shell splits PATH as everything else on the machine does. */
const LIST_ON_PATH = 'IFS=:; for folder in $PATH; do [ -x "$folder/blender" ] && echo "$folder/blender"; done; true';

/**
 * Resolved paths of the Blenders on the machine's search path and of those given (an executable, or the folder that holds
 * `blender`), each once.
 *
 * @throws PictorError `file-not-found` for a given path that is no executable.
 */
export async function findBlenders(extraPaths: string[]): Promise<string[]> {
  const given = await Promise.all(extraPaths.map(executableAt));
  const { stdout } = await run('/bin/sh', ['-c', LIST_ON_PATH]);
  const onPath = await Promise.all(stdout.split('\n').filter(Boolean).map(resolvedFile));
  return [...new Set([...given, ...onPath.filter((path) => path !== null)])];
}

async function executableAt(path: string): Promise<string> {
  for (const candidate of [path, join(path, 'blender')]) {
    const resolved = await resolvedFile(candidate);
    if (resolved) return resolved;
  }
  throw new PictorError('file-not-found', `${path} is no Blender: give the executable, or the folder that holds it`);
}

async function resolvedFile(path: string): Promise<string | null> {
  try {
    const resolved = await realpath(path);
    await access(resolved, constants.X_OK);
    return (await stat(resolved)).isFile() ? resolved : null;
  } catch {
    return null;
  }
}
