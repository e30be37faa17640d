import { createHash } from 'node:crypto';
import { access, constants, mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { CHUNK_BYTES, type Output, PictorError, ProjectPath } from '@pictor/protocol';

/** The folder that frames are saved in. */
export interface OutFolder {
  /**
   * Saves an output under its path. The file appears when it is complete and right; one that is there already with the same
   * content is left alone.
   */
  save(output: Output, content: () => Promise<AsyncIterable<Uint8Array>>): Promise<void>;
  /** Removes half-made files, and folders that were made for nothing. */
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
  const parts = new Set<string>();

  const makeFolder = async (path: string) => {
    const first = await mkdir(path, { recursive: true });
    if (first) for (let each = path; each.length >= first.length; each = dirname(each)) made.push(each);
  };

  return {
    save: async (output, content) => {
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
      const part = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
      parts.add(part);
      try {
        await write(part, output, await content());
        await rename(part, target);
      } catch (error) {
        await rm(part, { force: true });
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
          throw new PictorError(
            'disk-full',
            `The disk is full: ${target} could not be saved. Free some space and fetch the frames again.`,
          );
        }
        throw error;
      } finally {
        parts.delete(part);
      }
    },
    dispose: async () => {
      for (const part of parts) await rm(part, { force: true });
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

async function write(path: string, output: Output, content: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'w');
  const hash = createContentHash();
  try {
    for await (const piece of content) {
      hash.update(piece);
      await file.write(piece);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (hash.digest() !== output.sha256) {
    throw new PictorError(
      'chunk-mismatch',
      `${output.path} arrived damaged. Fetch it again with "pictor job download".`,
    );
  }
}

async function isSame(path: string, output: Output): Promise<boolean> {
  const stats = await stat(path).catch(() => null);
  if (!stats?.isFile() || stats.size !== output.sizeBytes) return false;
  const file = await open(path, 'r');
  const hash = createContentHash();
  for await (const piece of file.createReadStream()) hash.update(piece);
  return hash.digest() === output.sha256;
}

/** SHA-256 over the concatenated hex hashes of the 16 MiB chunks: the name of a file's content. */
function createContentHash() {
  const list = createHash('sha256');
  let chunk = createHash('sha256');
  let chunkBytes = 0;
  const endChunk = () => {
    list.update(chunk.digest('hex'));
    chunk = createHash('sha256');
    chunkBytes = 0;
  };
  return {
    update: (piece: Uint8Array) => {
      for (let at = 0; at < piece.length; ) {
        const end = Math.min(piece.length, at + CHUNK_BYTES - chunkBytes);
        chunk.update(piece.subarray(at, end));
        chunkBytes += end - at;
        at = end;
        if (chunkBytes === CHUNK_BYTES) endChunk();
      }
    },
    digest: () => {
      if (chunkBytes > 0) endChunk();
      return list.digest('hex');
    },
  };
}
