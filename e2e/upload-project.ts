import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { createApiClient } from '@pictor/api-client';
import type { InspectionReport, SnapshotId } from '@pictor/protocol';

type Client = ReturnType<typeof createApiClient>;

/** Uploads every file below `folder`, commits the snapshot and waits for the inspection of `file`. */
export async function uploadProject(client: Client, folder: string, file: string) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((absolutePath) => ({ path: absolutePath.slice(folder.length + 1), absolutePath }));
  const manifest = await client.uploadFiles(files);
  const { snapshotId } = await client.createSnapshot({ body: { files: manifest, remaps: [] } });
  const { inspectionId, report } = await inspect(client, snapshotId, file);
  return { snapshotId, inspectionId, report };
}

/** Waits for the inspection of a .blend of a snapshot. */
export async function inspect(client: Client, snapshotId: SnapshotId, file: string) {
  const { inspectionId } = await client.createInspection({ body: { snapshotId, file } });
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 1.5, 500)) {
    const inspection = await client.getInspection({ params: { inspectionId } });
    if (inspection.status === 'succeeded') return { inspectionId, report: inspection.report as InspectionReport };
    if (inspection.status === 'failed') throw new Error(`the inspection failed: ${inspection.failure}`);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
