import { basename } from 'node:path';
import { PictorError, ProjectPath } from '@pictor/protocol';

/**
 * Makes sure that a place in a project is one that every machine can hold.
 *
 * @throws PictorError `path-invalid`, naming it
 */
export function checkPath(path: string): string {
  const checked = ProjectPath.safeParse(path);
  if (checked.success) return checked.data;
  throw new PictorError(
    'path-invalid',
    `${JSON.stringify(path)} cannot be a path in a project: it has a control character or a backslash, or is longer than 1024 characters. Rename ${JSON.stringify(basename(path))}.`,
  );
}
