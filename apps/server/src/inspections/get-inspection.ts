import { Inspection, type InspectionId, PictorError } from '@pictor/protocol';
import type { Selectable } from 'kysely';
import type { Database, Db, Tx } from '../db/index.ts';

/** Throws `not-found`. */
export async function getInspection(db: Db | Tx, inspectionId: InspectionId): Promise<Inspection> {
  const row = await db
    .selectFrom('inspections')
    .selectAll()
    .where('inspection_id', '=', inspectionId)
    .executeTakeFirst();
  if (!row) throw new PictorError('not-found', `There is no inspection ${inspectionId}.`);
  return toInspection(row);
}

export function toInspection(row: Selectable<Database['inspections']>): Inspection {
  return Inspection.parse({
    inspectionId: row.inspection_id,
    snapshotId: row.snapshot_id,
    file: row.file,
    status: row.status,
    report: row.report,
    failure: row.failure,
    bakedSnapshotId: row.baked_snapshot_id,
  });
}
