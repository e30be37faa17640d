import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { PictorError } from '@pictor/protocol';
import type { BlendHeader } from './blend-header.ts';
import { BlockWalk, truncated } from './block-walk.ts';
import { decompressStart } from './decompress-start.ts';
import { HEADER_READ_BYTES, readBlendHeader } from './read-blend-header.ts';
import { findZstdFrame, type ReadAt } from './zstd-frames.ts';

export interface BlendFileCheck {
  header: BlendHeader;
  sizeBytes: number;
  /** `whole`: its end was seen. `unchecked`: compressed, and larger than is unfolded to look for the end. */
  completeness: 'whole' | 'unchecked';
}

const MOST_DECOMPRESSED_BYTES = 64 * 1024 * 1024;
const MOST_ZSTD_FRAMES = 4096;

/**
 * Reads a .blend's header and makes sure that the file reaches its end, without Blender: uncompressed ones by seeking from block
 * to block, compressed ones by decompressing at most 64 MiB. Constant memory. `name` is what messages call the file.
 *
 * @throws PictorError `file-not-found`, `blend-empty`, `blend-truncated`, `not-a-blend`
 */
export async function checkBlendFile(path: string, name: string = basename(path)): Promise<BlendFileCheck> {
  const file = await openFile(path, name);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) {
      const what = stats.isDirectory() ? 'a folder' : 'a device or pipe';
      throw new PictorError('file-not-found', `${name} is ${what}, not a file. Give the path of a .blend file.`);
    }
    const sizeBytes = stats.size;
    const header = await readBlendHeader(await bufferedReader(file)(0, HEADER_READ_BYTES), { name, decompressStart });
    const walk = new BlockWalk(header, name);
    const completeness =
      header.compression === 'none'
        ? await walkPlain(file, walk, sizeBytes)
        : header.compression === 'gzip'
          ? await walkGzip(file, walk, name)
          : await walkZstd(file, walk, sizeBytes, name);
    return { header, sizeBytes, completeness };
  } finally {
    await file.close();
  }
}

async function openFile(path: string, name: string): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      code === 'EACCES' ? 'may not be read' : code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : code;
    throw new PictorError('file-not-found', `${path} (${name}): the file ${why}. Check the path and its permissions.`, {
      cause,
    });
  }
}

async function walkPlain(file: FileHandle, walk: BlockWalk, sizeBytes: number): Promise<'whole'> {
  const piece = Buffer.alloc(64 * 1024);
  while (!walk.isEnded && walk.wantsAt < sizeBytes) {
    const at = walk.wantsAt;
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) break;
    walk.push(piece.subarray(0, bytesRead), at);
  }
  walk.finish(sizeBytes);
  return 'whole';
}

async function walkGzip(file: FileHandle, walk: BlockWalk, name: string): Promise<'whole' | 'unchecked'> {
  return await walkStreams([decompressed(file, 0, Number.POSITIVE_INFINITY, createGunzip())], walk, name);
}

async function walkZstd(
  file: FileHandle,
  walk: BlockWalk,
  sizeBytes: number,
  name: string,
): Promise<'whole' | 'unchecked'> {
  const readAt = bufferedReader(file);
  const frames = async function* () {
    let at = 0;
    for (let count = 0; at < sizeBytes; count++) {
      const frame = await findZstdFrame(readAt, at, sizeBytes);
      if (frame === 'cut') throw truncated(name, `the zstd frame at byte ${at} goes on beyond the end of the file`);
      if (frame === 'not-zstd') throw truncated(name, `no zstd frame begins at byte ${at}`);
      if (frame === 'too-many-blocks' || count === MOST_ZSTD_FRAMES) {
        yield 'too-many';
        return;
      }
      at = frame.to;
      if (frame.isSkippable) continue;
      yield decompressed(file, frame.from, frame.to, createZstdDecompress());
    }
  };
  return await walkStreams(frames(), walk, name);
}

/** Walks the blocks of decompressed streams, one after the other. */
async function walkStreams(
  streams: Iterable<AsyncIterable<Buffer>> | AsyncIterable<AsyncIterable<Buffer> | 'too-many'>,
  walk: BlockWalk,
  name: string,
): Promise<'whole' | 'unchecked'> {
  let at = 0;
  for await (const stream of streams) {
    if (stream === 'too-many') return 'unchecked';
    try {
      for await (const piece of stream) {
        walk.push(piece, at);
        at += piece.length;
        if (at > MOST_DECOMPRESSED_BYTES) return 'unchecked';
      }
    } catch (cause) {
      if (cause instanceof PictorError) throw cause;
      throw truncated(name, `decompressing stops after ${at} bytes (${(cause as Error).message})`);
    }
  }
  walk.finish(at);
  return 'whole';
}

/** The bytes `from` … `to` (exclusive) of the file through a decompressor; whoever stops reading stops it. */
function decompressed(file: FileHandle, from: number, to: number, decompressor: Transform): AsyncIterable<Buffer> {
  const source = async function* () {
    let at = from;
    while (at < to) {
      const piece = Buffer.alloc(Math.min(64 * 1024, to - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  };
  // Errors reach whoever reads from the decompressor; here they only must not go unhandled.
  pipeline(source, decompressor, () => {});
  return decompressor;
}

/** Reads through one buffer of 64 KiB, since headers lie close together. */
function bufferedReader(file: FileHandle): ReadAt {
  const buffer = Buffer.alloc(HEADER_READ_BYTES);
  let bufferAt = 0;
  let filled = 0;
  return async (at, length) => {
    if (at < bufferAt || at + length > bufferAt + filled) {
      bufferAt = at;
      filled = (await file.read(buffer, 0, buffer.length, at)).bytesRead;
    }
    return buffer.subarray(at - bufferAt, Math.min(at - bufferAt + length, filled));
  };
}
