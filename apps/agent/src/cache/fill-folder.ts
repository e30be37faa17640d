import { constants } from 'node:fs';
import { chmod, copyFile, link, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SnapshotFile } from '@pictor/protocol';
import { limitConcurrency } from '../content/limit-concurrency.ts';
import { type ContentKey, contentKey } from './content-key.ts';

const LINKS_AT_ONCE = 16;

/**
 * Puts the files of a snapshot into an empty folder: hard links to the cache, copies where the cache is on another disk. Folders
 * get mode 0755 and files 0444, so that the user of the sandbox reads them and nobody changes the cache through them.
 */
export async function fillFolder(
  folder: string,
  files: readonly SnapshotFile[],
  pathOf: (key: ContentKey) => string,
): Promise<void> {
  for (const parent of parentFolders(files)) {
    await mkdir(join(folder, parent), { mode: 0o755 });
  }
  const slot = limitConcurrency(LINKS_AT_ONCE);
  await Promise.all(
    files.map((file) =>
      slot(async () => {
        const target = join(folder, file.path);
        const key = contentKey(file);
        if (key === null) {
          await writeFile(target, '', { flag: 'wx', mode: 0o444 });
        } else {
          await linkOrCopy(pathOf(key), target);
        }
      }),
    ),
  );
}

/** Every folder that the files lie in, outer ones first. */
function parentFolders(files: readonly SnapshotFile[]): string[] {
  const folders = new Set<string>();
  for (const file of files) {
    for (let parent = dirname(file.path); parent !== '.' && !folders.has(parent); parent = dirname(parent)) {
      folders.add(parent);
    }
  }
  return [...folders].sort((first, second) => first.length - second.length);
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // EMLINK: the same content thousands of times in one project; the others: another disk, or one without hard links.
    if (code !== 'EXDEV' && code !== 'EMLINK' && code !== 'EPERM' && code !== 'ENOTSUP') {
      throw error;
    }
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(target, 0o444);
  }
}
