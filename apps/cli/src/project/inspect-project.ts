import { setTimeout as sleep } from 'node:timers/promises';
import { type InspectionReport, PictorError } from '@pictor/protocol';
import type { Connection } from '../network/connect.ts';
import { unlessAborted } from '../terminal/interruption.ts';

/** What an agent found in a .blend. */
export interface InspectedProject {
  inspectionId: string;
  /** The snapshot that `report` is of: another one after a bake. */
  snapshotId: string;
  report: InspectionReport;
}

/**
 * Has an agent look into the .blend of a snapshot and waits for what it says; with `bake`, has its simulations baked first.
 *
 * @throws PictorError `inspection-failed` with Blender's reason
 */
export async function inspectProject(options: {
  client: Connection['client'];
  snapshotId: string;
  file: string;
  bake?: boolean;
  signal: AbortSignal;
}): Promise<InspectedProject> {
  const { client, snapshotId, file, bake, signal } = options;
  let inspection = await unlessAborted(client.createInspection({ body: { snapshotId, file, bake } }), signal);
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.5, 500)) {
    const { inspectionId, report, bakedSnapshotId } = inspection;
    if (report !== null) return { inspectionId, snapshotId: bakedSnapshotId ?? snapshotId, report };
    if (inspection.status === 'failed') {
      throw new PictorError(
        'inspection-failed',
        `${file} cannot be ${bake ? 'baked' : 'rendered'}: ${inspection.failure}`,
      );
    }
    await unlessAborted(sleep(waitMs), signal);
    inspection = await unlessAborted(client.getInspection({ params: { inspectionId } }), signal);
  }
}
