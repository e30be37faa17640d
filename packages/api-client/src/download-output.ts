import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { PictorError } from '@pictor/protocol';
import { createContentHash } from './content-hash.ts';
import { send, unreachable } from './request-route.ts';
import type { ServerAddress } from './server-address.ts';

/** Opens the content of an output; `sha256` is its name by rule C2. */
export async function openOutput(
  server: ServerAddress,
  outputId: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; content: AsyncIterable<Uint8Array> }> {
  const response = await send(server, `/v1/outputs/${encodeURIComponent(outputId)}/content`, { signal });
  const sha256 = (response.headers.get('etag') ?? '').replaceAll('"', '');
  return { sha256, content: readBody(server, response, signal) };
}

async function* readBody(server: ServerAddress, response: Response, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body ?? [];
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(server, error);
  }
}

export async function downloadOutput(
  server: ServerAddress,
  outputId: string,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  const { sha256, content } = await openOutput(server, outputId, signal);
  await mkdir(path.dirname(target), { recursive: true });
  const unfinished = `${target}.${randomUUID().slice(0, 8)}.part`;
  const hash = createContentHash();
  try {
    await using file = await open(unfinished, 'wx');
    for await (const piece of content) {
      hash.update(piece);
      await file.writeFile(piece);
    }
    await file.sync();
    if (hash.digest() !== sha256) {
      throw new PictorError('chunk-mismatch', `${target} arrived damaged: download it again.`);
    }
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    throw new PictorError(
      'disk-full',
      `The disk is full, ${target} was not saved: free some space and download it again.`,
      {
        cause: error,
      },
    );
  }
}
