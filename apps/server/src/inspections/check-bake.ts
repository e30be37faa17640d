import {
  type InspectionId,
  type InspectionReport,
  PictorError,
  type SnapshotFile,
  SnapshotId,
  type SnapshotManifest,
} from '@pictor/protocol';
import { checkContent, getSnapshot, type ObjectStore } from '../assets/index.ts';
import type { Db } from '../db/index.ts';
import type { InspectionOutcome } from './record-inspection.ts';

/** A snapshot to be made: the project of a bake with its baked file. */
export interface BakedProject {
  manifest: SnapshotManifest;
  ownerId: string;
}

/**
 * What an agent's success comes to (SPEC.md, B1): of a bake, the project with the baked file, or a failure where that file is not as it must
 * be. Reads the store, so it is called before the transaction that records it.
 */
export async function checkBake(
  deps: { db: Db; store: ObjectStore },
  told: { inspectionId: InspectionId; report: InspectionReport; bakedFile?: SnapshotFile },
): Promise<InspectionOutcome> {
  const { inspectionId, report, bakedFile } = told;
  const row = await deps.db
    .selectFrom('inspections')
    .select(['snapshot_id', 'file', 'is_bake'])
    .where('inspection_id', '=', inspectionId)
    .executeTakeFirst();
  if (!row?.is_bake) return { report };
  if (bakedFile?.path !== row.file || bakedFile.sizeBytes === 0) {
    return { failure: `The agent handed in no baked ${row.file}: update the agent.` };
  }
  const problem = await checkContent(deps.store, [bakedFile]).then(
    () => null,
    (error: unknown) => {
      if (error instanceof PictorError && (error.code === 'chunks-missing' || error.code === 'validation'))
        return error;
      throw error;
    },
  );
  if (problem) return { failure: `The baked file did not arrive: ${problem.message}` };
  const { files, remaps, ownerId } = await getSnapshot(deps.db, SnapshotId.parse(row.snapshot_id));
  const replaced = files.map((file) => (file.path === row.file ? bakedFile : file));
  return { report, baked: { manifest: { files: replaced, remaps }, ownerId } };
}
