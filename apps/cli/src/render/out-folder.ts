import { access, constants, mkdir, open, rmdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { createContentHash } from '@pictor/api-client';
import { type Output, PictorError, ProjectPath } from '@pictor/protocol';

/** The folder that frames are saved in. */
export interface OutFolder {
  /** Has an output fetched to its place in the folder, unless the same content is there already. */
  save(output: Output, fetchTo: (path: string) => Promise<void>): Promise<void>;
  /** Removes folders that were made for nothing. */
  dispose(): Promise<void>;
}

/**
 * Makes sure, without making anything, that files can be written to `out`.
 *
 * @throws PictorError `usage` naming what is in the way
 */
export async function checkOut(out: string): Promise<void> {
  for (let path = resolve(out); ; path = dirname(path)) {
    const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      if (error.code === 'ENOTDIR') return null;
      throw refused(out, `${path}: ${error.message}`);
    });
    if (!stats && path !== dirname(path)) continue;
    if (!stats?.isDirectory()) throw refused(out, `${path} is not a folder`);
    try {
      await access(path, constants.W_OK | constants.X_OK);
    } catch {
      throw refused(out, `${path} cannot be written to`);
    }
    return;
  }
}

function refused(out: string, why: string): PictorError {
  return new PictorError('usage', `The frames cannot be saved in ${out}: ${why}. Give another folder with --out.`);
}

/** Opens `out` for saving; it is made with the first file. */
export async function prepareOut(out: string): Promise<OutFolder> {
  const root = resolve(out);
  const made: string[] = [];

  const makeFolder = async (path: string) => {
    const first = await mkdir(path, { recursive: true });
    if (first) for (let each = path; each.length >= first.length; each = dirname(each)) made.push(each);
  };

  return {
    save: async (output, fetchTo) => {
      // The server's word: a path that leaves the folder must not be followed.
      const path = ProjectPath.safeParse(output.path);
      const target = join(root, path.data ?? '');
      if (!path.success || relative(root, target).startsWith(`..${sep}`)) {
        throw new PictorError(
          'path-invalid',
          `The server names an output ${JSON.stringify(output.path)}; it is not saved.`,
        );
      }
      if (await isSame(target, output)) return;
      await makeFolder(dirname(target));
      await fetchTo(target);
    },
    dispose: async () => {
      const deepestFirst = [...new Set(made)].sort((a, b) => b.length - a.length);
      for (const folder of deepestFirst) {
        // Only the empty ones go; what stands in a folder keeps it.
        await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
        });
      }
    },
  };
}

async function isSame(path: string, output: Output): Promise<boolean> {
  const stats = await stat(path).catch(() => null);
  if (!stats?.isFile() || stats.size !== output.sizeBytes) return false;
  const file = await open(path, 'r');
  const hash = createContentHash();
  for await (const piece of file.createReadStream()) hash.update(piece);
  return hash.digest() === output.sha256;
}
