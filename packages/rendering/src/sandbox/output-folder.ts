import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, opendir, rm, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PictorError } from '@pictor/protocol';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
/** Linux: names an inode without opening it; nothing happens to a device or a FIFO, and it cannot be exchanged any more. */
const O_PATH = 0o10000000;
const COPY_BYTES = 1024 * 1024;
const MAX_DEPTH = 16;
const MAX_NAME_BYTES = 1024;

/**
 * A folder that hostile code writes to, held open so that it stays readable after that code is gone.
 * Nothing in it is opened except through here.
 */
export class OutputFolder {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #maxBytes: number;
  readonly #maxFiles: number;

  private constructor(handle: FileHandle, maxBytes: number, maxFiles: number) {
    this.#handle = handle;
    this.#maxBytes = maxBytes;
    this.#maxFiles = maxFiles;
    this.path = `/proc/${process.pid}/fd/${handle.fd}`;
  }

  static async open(path: string, limits: { maxBytes: number; maxFiles: number }): Promise<OutputFolder> {
    return new OutputFolder(await open(path, O_RDONLY | O_DIRECTORY), limits.maxBytes, limits.maxFiles);
  }

  /** Moves one regular file out; see SandboxedProcess.takeOutput. */
  async take(name: string, destination: string): Promise<{ sizeBytes: number }> {
    const parts = outputNameParts(name);
    const folders = parts.slice(0, -1);
    const folder = await this.#openFolder(folders, name);
    try {
      const entry = `/proc/self/fd/${folder.fd}/${parts.at(-1)}`;
      const source = await openRegularFile(entry, name);
      try {
        const sizeBytes = await copyTo(source, destination, this.#maxBytes, name);
        await unlink(entry).catch(() => undefined); // What its writer made undeletable goes with the folder.
        return { sizeBytes };
      } finally {
        await source.close();
      }
    } finally {
      if (folder !== this.#handle) await folder.close();
    }
  }

  /** Regular files with one name each, sorted; at most as many as the limit allows, and folders no deeper than 16. */
  async list(): Promise<{ name: string; sizeBytes: number }[]> {
    const found: { name: string; sizeBytes: number }[] = [];
    let seen = 0;
    const walk = async (folder: FileHandle, prefix: string, depth: number): Promise<void> => {
      const at = `/proc/self/fd/${folder.fd}`;
      for await (const entry of await opendir(at)) {
        seen += 1;
        if (seen > this.#maxFiles) return;
        const stats = await lstat(`${at}/${entry.name}`).catch(() => null);
        if (stats?.isFile() && stats.nlink === 1) found.push({ name: prefix + entry.name, sizeBytes: stats.size });
        if (!stats?.isDirectory() || depth === MAX_DEPTH) continue;
        const inner = await open(`${at}/${entry.name}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(() => null);
        if (!inner) continue;
        try {
          await walk(inner, `${prefix}${entry.name}/`, depth + 1);
        } finally {
          await inner.close();
        }
      }
    };
    await walk(this.#handle, '', 1);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What lies in a folder that is a file system of its own, and whether one of its bounds is reached. */
  async usage(): Promise<{ bytes: number; isFull: boolean }> {
    const { bsize, blocks, bfree, files, ffree } = await statfs(`/proc/self/fd/${this.#handle.fd}`);
    const entries = files - ffree - 1; // The folder itself is one.
    return { bytes: (blocks - bfree) * bsize, isFull: bfree === 0 || ffree === 0 || entries > this.#maxFiles };
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #openFolder(parts: string[], name: string): Promise<FileHandle> {
    let folder = this.#handle;
    for (const part of parts) {
      const next = open(`/proc/self/fd/${folder.fd}/${part}`, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOENT') throw noSuchOutput(name);
          throw refused(name, `${part} is not a folder`);
        },
      );
      try {
        await next;
      } finally {
        if (folder !== this.#handle) await folder.close();
      }
      folder = await next;
    }
    return folder;
  }
}

async function openRegularFile(path: string, name: string): Promise<FileHandle> {
  const pinned = await open(path, O_PATH | O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? noSuchOutput(name) : refused(name, `it cannot be opened (${error.code})`);
  });
  try {
    const stats = await pinned.stat();
    if (stats.isSymbolicLink()) throw refused(name, 'it is a symbolic link');
    if (!stats.isFile()) throw refused(name, 'it is not a regular file');
    if (stats.nlink !== 1) throw refused(name, 'it is a hard link: the file has other names');
    return await open(`/proc/self/fd/${pinned.fd}`, O_RDONLY).catch((error: NodeJS.ErrnoException) => {
      throw refused(name, `it cannot be read (${error.code})`);
    });
  } finally {
    await pinned.close();
  }
}

async function copyTo(source: FileHandle, destination: string, maxBytes: number, name: string): Promise<number> {
  await mkdir(dirname(destination), { recursive: true });
  const target = await open(destination, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    const buffer = Buffer.allocUnsafe(COPY_BYTES);
    let sizeBytes = 0;
    for (;;) {
      // Its writer may still be at work: what counts is what is read, not what the file said.
      const { bytesRead } = await source.read(buffer, 0, buffer.length, sizeBytes);
      if (bytesRead === 0) return sizeBytes;
      sizeBytes += bytesRead;
      if (sizeBytes > maxBytes) throw refused(name, `it is larger than ${maxBytes} bytes`);
      await writeAll(target, buffer.subarray(0, bytesRead));
    }
  } catch (error) {
    await rm(destination, { force: true });
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new PictorError(
      'disk-full',
      `There is no room for the output ${name}: free some on the disk of ${destination}`,
      {
        cause: error,
      },
    );
  } finally {
    await target.close();
  }
}

async function writeAll(target: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await target.write(bytes, written)).bytesWritten;
  }
}

function outputNameParts(name: string): string[] {
  const parts = name.split('/');
  const isBad = parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\0'));
  if (isBad || parts.length > MAX_DEPTH || Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new PictorError('path-invalid', `${JSON.stringify(name)} does not name a file in the output folder`);
  }
  return parts;
}

function noSuchOutput(name: string): PictorError {
  return new PictorError('not-found', `There is no output ${name}`);
}

function refused(name: string, reason: string): PictorError {
  return new PictorError('output-refused', `The output ${name} is refused: ${reason}`, { details: { name } });
}
