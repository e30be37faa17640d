import { hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { CHUNK_BYTES, PictorError, type SnapshotFile } from '@pictor/protocol';
import { createChunkSender } from './chunk-sender.ts';
import { fileHash } from './content-hash.ts';
import type { ServerAddress } from './server-address.ts';

export interface FileToUpload {
  /** Where it stands in the project. */
  path: string;
  /** Where its content is on this machine. */
  absolutePath: string;
}

export interface UploadProgress {
  /** Of the files together. */
  totalBytes: number;
  /** Known to be on the server, sent now or there before. */
  doneBytes: number;
  /** Sent now. */
  sentBytes: number;
}

export interface UploadOptions {
  onProgress?: (progress: UploadProgress) => void;
  signal?: AbortSignal;
}

/** Portions in work at once, each with a buffer of one chunk: 64 MiB whatever the size of the project. */
const PARALLEL = 4;
/** Pieces in one question and one buffer, where files are small. */
const PORTION_PIECES = 500;
/** Hashing below this is quicker than handing it to another thread. */
const SMALL_BYTES = 256 * 1024;

interface OpenedFile {
  path: string;
  absolutePath: string;
  sizeBytes: number;
  modifiedMs: number;
  inode: number;
  chunks: string[];
}

/** One chunk of one file. */
interface Piece {
  file: OpenedFile;
  index: number;
  start: number;
  length: number;
}

export async function uploadFiles(
  server: ServerAddress,
  wanted: FileToUpload[],
  options: UploadOptions,
): Promise<SnapshotFile[]> {
  const stopped = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stopped.signal]) : stopped.signal;
  const files = await statAll(wanted, signal);
  const progress = { totalBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0), doneBytes: 0, sentBytes: 0 };
  const tell = () => options.onProgress?.({ ...progress });
  const sender = createChunkSender(server, PARALLEL, signal);
  const portions = splitIntoPortions(files);
  tell();

  const work = async () => {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, Math.max(progress.totalBytes, 1)));
    for (const portion of portions) {
      signal.throwIfAborted();
      const chunks = await readPortion(portion, buffer);
      const missing = new Set(await sender.findMissing(chunks.map((chunk) => chunk.sha256)));
      for (const { sha256, bytes } of chunks) {
        if (missing.delete(sha256)) {
          await sender.send(sha256, bytes, (sentBytes) => {
            progress.sentBytes += sentBytes;
            progress.doneBytes += sentBytes;
            tell();
          });
        } else {
          progress.doneBytes += bytes.length;
          tell();
        }
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: PARALLEL }, work));
  } catch (error) {
    stopped.abort();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    sender.close();
  }
  return files.map(({ path, sizeBytes, chunks }) => ({ path, sizeBytes, sha256: fileHash(chunks), chunks }));
}

async function statAll(wanted: FileToUpload[], signal: AbortSignal): Promise<OpenedFile[]> {
  const files: OpenedFile[] = [];
  for (const { path, absolutePath } of wanted) {
    signal.throwIfAborted();
    await using handle = await openToRead(absolutePath);
    const found = await handle.stat();
    if (!found.isFile()) throw unreadable(absolutePath, 'it is not a regular file');
    files.push({
      path,
      absolutePath,
      sizeBytes: found.size,
      modifiedMs: found.mtimeMs,
      inode: found.ino,
      chunks: [],
    });
  }
  return files;
}

/** Large files are one chunk a portion; small ones share a portion, so that one question and one buffer serve many. */
function* splitIntoPortions(files: OpenedFile[]): Generator<Piece[]> {
  let portion: Piece[] = [];
  let bytes = 0;
  for (const file of files) {
    for (let start = 0, index = 0; start < file.sizeBytes; start += CHUNK_BYTES, index++) {
      const length = Math.min(CHUNK_BYTES, file.sizeBytes - start);
      if (portion.length > 0 && (bytes + length > CHUNK_BYTES || portion.length === PORTION_PIECES)) {
        yield portion;
        portion = [];
        bytes = 0;
      }
      portion.push({ file, index, start, length });
      bytes += length;
    }
  }
  if (portion.length > 0) yield portion;
}

/** Reads and hashes the pieces of a portion into parts of `buffer`. Throws `file-changed`. */
async function readPortion(portion: Piece[], buffer: Buffer): Promise<{ sha256: string; bytes: Buffer }[]> {
  const chunks: { sha256: string; bytes: Buffer }[] = [];
  let at = 0;
  for (const { file, index, start, length } of portion) {
    const bytes = buffer.subarray(at, at + length);
    at += length;
    await using handle = await openToRead(file.absolutePath);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await handle.read(bytes, read, length - read, start + read);
      if (bytesRead === 0) throw changed(file);
      read += bytesRead;
    }
    const after = await handle.stat();
    if (after.size !== file.sizeBytes || after.mtimeMs !== file.modifiedMs || after.ino !== file.inode)
      throw changed(file);
    const sha256 = await sha256Of(bytes);
    file.chunks[index] = sha256;
    chunks.push({ sha256, bytes });
  }
  return chunks;
}

async function sha256Of(bytes: Buffer): Promise<string> {
  if (bytes.length <= SMALL_BYTES) return hash('sha256', bytes);
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Buffer<ArrayBuffer>)).toString('hex');
}

async function openToRead(absolutePath: string): Promise<FileHandle> {
  try {
    return await open(absolutePath, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw unreadable(absolutePath, code === 'ENOENT' ? 'there is no such file' : message, error);
  }
}

const unreadable = (file: string, why: string, cause?: unknown) =>
  new PictorError('file-not-found', `${file} cannot be sent: ${why}. Check the path and its permissions.`, { cause });

const changed = (file: OpenedFile) =>
  new PictorError(
    'file-changed',
    `${file.absolutePath} was changed while it was being sent: save it, wait until nothing writes to it, and send it again.`,
    { details: { path: file.path } },
  );
