import { setTimeout as sleep } from 'node:timers/promises';
import { type InspectionReport, PictorError } from '@pictor/protocol';
import type { Connection } from '../network/connect.ts';
import { unlessAborted } from '../terminal/interruption.ts';

/**
 * Has an agent look into the .blend of a snapshot and waits for what it says.
 *
 * @throws PictorError `inspection-failed` with Blender's reason
 */
export async function inspectProject(options: {
  client: Connection['client'];
  snapshotId: string;
  file: string;
  signal: AbortSignal;
}): Promise<{ inspectionId: string; report: InspectionReport }> {
  const { client, snapshotId, file, signal } = options;
  let inspection = await unlessAborted(client.createInspection({ body: { snapshotId, file } }), signal);
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.5, 500)) {
    if (inspection.report !== null) return { inspectionId: inspection.inspectionId, report: inspection.report };
    if (inspection.status === 'failed') {
      throw new PictorError('inspection-failed', `${file} cannot be rendered: ${inspection.failure}`);
    }
    await unlessAborted(sleep(waitMs), signal);
    inspection = await unlessAborted(
      client.getInspection({ params: { inspectionId: inspection.inspectionId } }),
      signal,
    );
  }
}
