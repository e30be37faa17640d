import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { PictorError } from '@pictor/protocol';

/**
 * Makes the paths of --blender absolute.
 *
 * @throws PictorError `usage` where one leads nowhere
 */
export async function checkBlenders(paths: string[] | undefined): Promise<string[]> {
  const absolute = (paths ?? []).map((path) => resolve(path));
  for (const path of absolute) {
    await stat(path).catch(() => {
      throw new PictorError(
        'usage',
        `--blender ${path}: there is nothing. Give a Blender's executable, or its folder.`,
      );
    });
  }
  return absolute;
}
