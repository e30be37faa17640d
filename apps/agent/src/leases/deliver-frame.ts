import { rm } from 'node:fs/promises';
import { DeliveredOutput, receiptText } from '@pictor/protocol';
import { formatMismatch, type OutputDecoder, type RenderedFrame, RenderFailure } from '@pictor/rendering';
import type { z } from 'zod';
import type { ChunkClient } from '../content/chunk-client.ts';
import type { ReportOutbox } from '../reports/report-outbox.ts';
import { tailOf } from './describe-failure.ts';
import type { FrameInWork, HeldLease } from './held-lease.ts';
import { hashChunks, uploadFiles } from './upload-output.ts';

type Output = z.infer<typeof DeliveredOutput>;

export interface DeliverySurroundings {
  client: ChunkClient;
  decoder: OutputDecoder;
  outbox: ReportOutbox;
  sign(text: string): string;
}

/**
 * Brings a rendered frame to the server: decodes every file, uploads it, signs the receipt and appends the report. The files are
 * removed afterwards, however it ended. Throws RenderFailure `output-unreadable`, ChunkError, or the signal's reason.
 */
export async function deliverFrame(
  held: HeldLease,
  work: FrameInWork,
  rendered: RenderedFrame,
  surroundings: DeliverySurroundings,
): Promise<void> {
  const { attemptId } = work.frame;
  const { ownerId } = held.lease;
  try {
    held.setProgress(attemptId, 'uploading', 0);
    const files = [];
    for (const file of rendered.files) {
      work.signal.throwIfAborted();
      const decoded = await surroundings.decoder.decode(file.localPath, { ownerId });
      const asked = file.kind === 'picture' ? held.lease.settings.format : undefined;
      const mismatch = asked ? formatMismatch(decoded, asked) : null;
      if (mismatch !== null) throw new RenderFailure('output-unreadable', `${file.path}: ${mismatch}`);
      const { width, height, pixelSha256 } = decoded;
      const chunked = await hashChunks(file.localPath);
      const output = { kind: file.kind, path: file.path, ...chunked, pixelSha256, width, height };
      files.push({ path: file.localPath, chunked, output: checked(output) });
    }
    await uploadFiles(surroundings.client, files, held.grant, work.signal);
    const outputs = files.map(({ output }) => output);
    await surroundings.outbox.append({
      kind: 'frame-delivered',
      leaseId: held.lease.leaseId,
      token: held.lease.token,
      attemptId,
      outputs,
      renderSeconds: rendered.renderSeconds,
      totalSeconds: rendered.totalSeconds,
      peakMemoryBytes: Math.round(rendered.peakMemoryBytes),
      deviceId: held.lease.deviceId,
      blenderSha256: held.lease.blenderSha256,
      warm: rendered.warm,
      signature: surroundings.sign(receiptText(attemptId, outputs)),
      log: tailOf(rendered.log),
    });
  } finally {
    await removeFolders(rendered);
  }
}

/** The scene chose the names of its File Output nodes: one that the protocol has no room for is its fault. */
function checked(output: Output): Output {
  const parsed = DeliveredOutput.safeParse(output);
  if (!parsed.success) {
    const problem = parsed.error.issues[0]?.message;
    throw new RenderFailure('output-refused', `The scene wrote the output ${JSON.stringify(output.path)}: ${problem}.`);
  }
  return parsed.data;
}

/** The frame's own folder: each file lies in it under its path. */
async function removeFolders({ files }: RenderedFrame): Promise<void> {
  const folders = new Set(files.map(({ localPath, path }) => localPath.slice(0, -path.length)));
  await Promise.all([...folders].map((folder) => rm(folder, { recursive: true, force: true })));
}
