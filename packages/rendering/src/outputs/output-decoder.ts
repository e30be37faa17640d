import { constants } from 'node:fs';
import { chmod, copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RenderFailure } from '../render-failure.ts';
import type { SandboxProbe } from '../sandbox/index.ts';
import { DecoderChild, DecoderGone, DecoderUnavailable } from './decoder-child.ts';
import { type FormatReader, type PictureFormat, readerOf } from './picture-format.ts';

const IDLE_SECONDS = 60;
const DECODE_SECONDS = 120;
const DEFAULT_SLOT = 900;

export interface DecodedPicture {
  /** In pixels; of the first part where a file has several. */
  width: number;
  height: number;
  /** Of all parts together. */
  channels: number;
  /** Read from the content, not from the name. */
  format: PictureFormat;
  /** Bits a channel; the smallest where channels differ (Blender keeps depth at 32 in a file of 16). */
  depth: number;
  /**
   * SHA-256 over what the picture shows and nothing else: equal where the pixels are, whatever dates, names and compression the
   * files have. Hashed are `pictor-pixels-v1`, a line feed, and for each part (subimage) of the file in order:
   * - one line of JSON with sorted keys and no spaces: `channels` (pairs of name and stored type, in the order of the pixels),
   *   `height`, `name` of the part, `width`, `x` and `y` of its data window;
   * - its pixels, row by row from the top, channels interleaved, little-endian, as stored: no colour conversion, no
   *   multiplication with alpha. Where channels of one part have different types, all are widened: half and float to float,
   *   any other mixture to double.
   * Channels are ordered by layer (what stands before the last dot of the name); within one, R, G, B, A come first, then the rest
   * by name.
   */
  pixelSha256: string;
}

export interface OutputDecoder {
  /**
   * Decodes a picture completely, in the sandbox.
   *
   * @param localPath Opened without following a link; anything but a regular file is refused.
   * @param options.ownerId One process never decodes for two owners: another owner's file gets a fresh one.
   * @throws RenderFailure `output-unreadable` where it is no picture, cut off, damaged, larger than is decoded, or takes too long;
   *   `output-refused` where it is no regular file; `no-output` where there is none.
   */
  decode(localPath: string, options?: { ownerId?: string }): Promise<DecodedPicture>;
  /** Starts the process ahead of the first picture, which then need not wait for it. */
  prepare(options?: { ownerId?: string }): void;
  /** Stops the process now, if one runs. */
  close(): Promise<void>;
}

/**
 * A decoder of what scenes left, as a sandboxed process that starts when it is first needed and stops when it had nothing to do for
 * a minute. Any failure ends it: the next picture gets a fresh one. Pictures are decoded one at a time.
 *
 * @param options.workDir An existing folder, private to the agent.
 * @param options.slot Of the sandbox; no other living sandbox of this agent may have it.
 */
export function createOutputDecoder(options: {
  sandbox: SandboxProbe;
  workDir: string;
  slot?: number;
  idleSeconds?: number;
  decodeSeconds?: number;
}): OutputDecoder {
  const { sandbox, workDir, slot = DEFAULT_SLOT, idleSeconds = IDLE_SECONDS, decodeSeconds = DECODE_SECONDS } = options;
  let child: DecoderChild | null = null;
  let childOwner: string | undefined;
  let stagedFiles = 0;
  let idleTimer: NodeJS.Timeout | undefined;
  let lastTurn: Promise<unknown> = Promise.resolve();

  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => {});
    return turn;
  };

  const stop = async () => {
    clearTimeout(idleTimer);
    const stopped = child;
    child = null;
    await stopped?.kill();
  };

  const childFor = async (ownerId: string | undefined): Promise<DecoderChild> => {
    if (child && (!child.isAlive || childOwner !== ownerId)) await stop();
    child ??= await DecoderChild.start({ sandbox, workDir, slot });
    childOwner = ownerId;
    return child;
  };

  const decodeNow = async (localPath: string, ownerId: string | undefined): Promise<DecodedPicture> => {
    const name = basename(localPath);
    clearTimeout(idleTimer);
    const file = await openRegularFile(localPath, name);
    let staged: string | null = null;
    try {
      const reader = await findReader(file, name);
      const decoder = await childFor(ownerId);
      staged = join(decoder.jobDir, `${++stagedFiles}.${reader.extension}`);
      await copyFile(`/proc/self/fd/${file.fd}`, staged, constants.COPYFILE_FICLONE);
      await chmod(staged, 0o444);
      const answer = await decoder.decode(staged, reader.plugin, decodeSeconds);
      if ('error' in answer) throw unreadable(name, answer.error);
      const format = reader.format === 'OPEN_EXR' && answer.isMultilayer ? 'OPEN_EXR_MULTILAYER' : reader.format;
      const { width, height, channels, bits, pixelSha256 } = answer;
      return { width, height, channels, format, depth: bits, pixelSha256 };
    } catch (error) {
      await stop();
      throw asFailure(error, name);
    } finally {
      await file.close();
      if (staged !== null) await rm(staged, { force: true });
      idleTimer = setTimeout(() => void inTurn(stop), idleSeconds * 1000).unref();
    }
  };

  const prepareNow = async (ownerId: string | undefined): Promise<void> => {
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => void inTurn(stop), idleSeconds * 1000).unref();
    // What is wrong is said by the first picture that cannot be decoded.
    await childFor(ownerId).catch(() => undefined);
  };

  return {
    prepare: ({ ownerId } = {}) => void inTurn(() => prepareNow(ownerId)),
    decode: (localPath, { ownerId } = {}) => inTurn(() => decodeNow(localPath, ownerId)),
    close: () => inTurn(stop),
  };
}

/**
 * Starts a decoder once and says, as a sentence with the fix, why this machine cannot decode pictures; null where it can.
 *
 * @param options.workDir As for `createOutputDecoder`.
 */
export async function findDecoderProblem(options: { sandbox: SandboxProbe; workDir: string }): Promise<string | null> {
  try {
    const child = await DecoderChild.start({ ...options, slot: DEFAULT_SLOT });
    await child.kill();
    return null;
  } catch (error) {
    if (error instanceof DecoderUnavailable) return error.message;
    throw error;
  }
}

async function openRegularFile(path: string, name: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    // O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new RenderFailure('no-output', `The output ${name} does not exist.`, { cause });
    throw new RenderFailure('output-refused', `The output ${name} is not a regular file (${code}).`, { cause });
  }
  const stats = await file.stat();
  if (stats.isFile()) return file;
  await file.close();
  throw new RenderFailure('output-refused', `The output ${name} is not a regular file.`);
}

async function findReader(file: FileHandle, name: string): Promise<FormatReader> {
  const start = Buffer.alloc(16);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  if (bytesRead === 0) throw unreadable(name, 'it is empty');
  const reader = readerOf(start.subarray(0, bytesRead), name);
  if (!reader) throw unreadable(name, 'it is in none of the picture formats that Blender writes');
  return reader;
}

function unreadable(name: string, why: string, log?: string): RenderFailure {
  return new RenderFailure('output-unreadable', `The output ${name} cannot be decoded: ${why}.`, { log });
}

function asFailure(error: unknown, name: string): unknown {
  if (error instanceof DecoderGone) return unreadable(name, error.message, error.log);
  if (error instanceof DecoderUnavailable)
    return new RenderFailure('output-unreadable', error.message, { cause: error });
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return new RenderFailure(
      'disk-full',
      `There is no room to decode the output ${name}: free some on the agent's disk.`,
      {
        cause: error,
      },
    );
  }
  return error;
}
