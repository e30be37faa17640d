import { rm } from 'node:fs/promises';
import { checkBlendFile } from '@pictor/blend-file';
import { type InspectionReport, type InspectTask, PictorError, type SnapshotFile } from '@pictor/protocol';
import { type BakedFile, RenderFailure } from '@pictor/rendering';
import type { ChunkClient } from '../content/chunk-client.ts';
import type { GrantSource } from '../content/retry-transfer.ts';
import { hashChunks, uploadChunks } from '../leases/upload-output.ts';

/**
 * Brings a baked .blend to the server and removes it here, however that ended. Throws RenderFailure `output-unreadable` where it is
 * none, ChunkError, or the signal's reason.
 */
export async function deliverBake(
  task: InspectTask,
  baked: BakedFile,
  surroundings: { client: ChunkClient; grant: GrantSource; signal: AbortSignal },
): Promise<{ report: InspectionReport; bakedFile: SnapshotFile }> {
  const { localPath, report } = baked;
  const { client, grant, signal } = surroundings;
  try {
    await checkBlendFile(localPath, `the baked ${task.file}`).catch((error: unknown) => {
      if (!(error instanceof PictorError)) throw error;
      throw new RenderFailure('output-unreadable', error.message, { cause: error });
    });
    const chunked = await hashChunks(localPath);
    await uploadChunks(client, localPath, chunked, grant, signal);
    return { report, bakedFile: { path: task.file, ...chunked } };
  } finally {
    await rm(localPath, { force: true });
  }
}
