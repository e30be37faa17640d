import { readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { PictorError } from '@pictor/protocol';
import { checkPath } from './check-path.ts';
import type { ProjectFiles } from './project-files.ts';

/** Folders of version control and of package managers: large, private, and never part of a scene. */
const SKIPPED_FOLDERS = new Set(['.git', '.hg', '.svn', '.bzr', 'CVS', 'node_modules', '__pycache__']);
/** Blender's backups (`.blend1`) and half-saved files (`.blend@`), and what desktops leave in every folder. */
const SKIPPED_FILES = /(\.blend(\d+|@)|^\.DS_Store|^Thumbs\.db|^desktop\.ini)$/i;

/**
 * Lists what of a project folder travels: every file, with links inside the project followed to their content. Skipped are version
 * control, Blender's backups, and the folder the frames go to.
 *
 * @throws PictorError `file-not-found`, `path-outside-project`, `path-invalid`, each naming the path
 */
export async function collectFolder(options: {
  project: string;
  /** The .blend: relative to the project, or absolute within it. */
  file: string;
  out: string | null;
}): Promise<ProjectFiles> {
  const root = await realFolder(options.project);
  const file = await placeOf(options.file, options.project, root);
  const files: ProjectFiles['files'] = [];
  const warnings: string[] = [];
  const skipped = options.out === null ? null : await realpath(options.out).catch(() => null);

  const walk = async (folder: string, place: string, above: Set<string>) => {
    // Names as bytes: one that is not UTF-8 must be refused, not silently changed.
    const entries = await readdir(Buffer.from(folder), { encoding: 'buffer' });
    for (const name of entries.map((bytes) => decodeName(bytes, place)).sort()) {
      const path = place === '' ? name : `${place}/${name}`;
      const absolutePath = join(folder, name);
      const real = await resolveInside(absolutePath, path, root);
      const stats = await stat(real);
      if (stats.isDirectory()) {
        if (SKIPPED_FOLDERS.has(name) || real === skipped) continue;
        if (above.has(real)) {
          throw new PictorError(
            'path-outside-project',
            `${path} is a link to a folder that holds it, so the project would have no end. Remove the link.`,
          );
        }
        await walk(absolutePath, path, new Set([...above, real]));
      } else if (!stats.isFile()) {
        warnings.push(`${path} is neither a file nor a folder, and stays behind`);
      } else if (path === file || !SKIPPED_FILES.test(name)) {
        files.push({ path: checkPath(path), absolutePath: real, sizeBytes: stats.size });
      }
    }
  };
  await walk(root, '', new Set([root]));
  if (!files.some((each) => each.path === file)) {
    throw new PictorError(
      'file-not-found',
      `${file} is in a folder that does not travel with the project. Move it elsewhere.`,
    );
  }
  return { files, remaps: [], file, warnings };
}

async function realFolder(project: string): Promise<string> {
  const root = await realpath(project).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : error.message;
    throw new PictorError('file-not-found', `The project folder ${project} ${why}. Check --project.`);
  });
  if (!(await stat(root)).isDirectory()) {
    throw new PictorError(
      'file-not-found',
      `${project} is not a folder. --project takes the folder that holds the whole project.`,
    );
  }
  return root;
}

/** Where the .blend stands in the project. */
async function placeOf(file: string, project: string, root: string): Promise<string> {
  const given = isAbsolute(file) ? relative(resolve(project), file) : relative('.', join('.', file));
  if (leaves(given)) {
    throw new PictorError(
      'path-outside-project',
      `${file} is not inside the project ${project}. Give --file a path within --project, or a --project that holds both.`,
    );
  }
  const place = given.split(sep).join('/');
  await stat(join(root, given)).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'does not exist' : error.message;
    throw new PictorError(
      'file-not-found',
      `${join(project, given)} ${why}. Check --file: it is a path within --project.`,
    );
  });
  return checkPath(place);
}

async function resolveInside(absolutePath: string, path: string, root: string): Promise<string> {
  const real = await realpath(absolutePath).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === 'ENOENT' ? 'is a link to nothing' : error.code === 'ELOOP' ? 'is a link to itself' : error.message;
    throw new PictorError('file-not-found', `${path} in the project ${why}. Remove it, or put the file in its place.`);
  });
  if (!leaves(relative(root, real)) || real === root) return real;
  throw new PictorError(
    'path-outside-project',
    `${path} is a link out of the project, to ${real}. Copy that into the project, or give --project a folder that holds both.`,
  );
}

function leaves(path: string): boolean {
  return path === '' || path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
}

function decodeName(bytes: Buffer, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new PictorError(
      'path-invalid',
      `${place === '' ? 'The project' : place} holds a file whose name is not UTF-8 (${bytes.toString('latin1')}). Rename it.`,
    );
  }
}
