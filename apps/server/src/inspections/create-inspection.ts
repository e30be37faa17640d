import { type Inspection, InspectionId, PictorError, type SnapshotId } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, withTransaction } from '../db/index.ts';
import { newId } from '../identity/index.ts';
import { publish } from '../outbox/index.ts';
import { toInspection } from './get-inspection.ts';

/**
 * Asks for an inspection of a file of a snapshot, or for a bake of it. Each is done once: asked again, the same inspection comes back,
 * enqueued anew where it had failed. Throws `not-found` for the snapshot, `file-not-found` for the file.
 */
export async function createInspection(
  db: Db,
  wanted: { snapshotId: SnapshotId; file: string; bake?: boolean },
  ownerId: string,
): Promise<Inspection> {
  const isBake = wanted.bake ?? false;
  return withTransaction(
    db,
    async (tx) => {
      const { rows } = await sql<{ has_file: boolean }>`
        select manifest @> jsonb_build_object('files', jsonb_build_array(jsonb_build_object('path', ${wanted.file}::text)))
          as has_file
        from snapshots
        where snapshot_id = ${wanted.snapshotId}`.execute(tx);
      if (!rows[0])
        throw new PictorError('not-found', `There is no snapshot ${wanted.snapshotId}: upload the project.`);
      if (!rows[0].has_file) {
        throw new PictorError('file-not-found', `${wanted.file} is not in the project: name a .blend that is.`);
      }
      const changed = await tx
        .insertInto('inspections')
        .values({
          inspection_id: newId('ins'),
          snapshot_id: wanted.snapshotId,
          file: wanted.file,
          owner_id: ownerId,
          is_bake: isBake,
        })
        .onConflict((conflict) =>
          conflict
            .columns(['snapshot_id', 'file', 'is_bake'])
            .doUpdateSet({
              status: 'enqueued',
              failure: null,
              worker_id: null,
              attempts: 0,
              started_at: null,
              ended_at: null,
            })
            .where('inspections.status', '=', 'failed'),
        )
        .returningAll()
        .executeTakeFirst();
      if (changed) {
        const inspectionId = InspectionId.parse(changed.inspection_id);
        await publish(tx, { type: 'inspection.changed', inspectionId, status: 'enqueued' });
        return toInspection(changed);
      }
      const existing = await tx
        .selectFrom('inspections')
        .selectAll()
        .where('snapshot_id', '=', wanted.snapshotId)
        .where('file', '=', wanted.file)
        .where('is_bake', '=', isBake)
        .executeTakeFirstOrThrow();
      return toInspection(existing);
    },
    { repeatable: true },
  );
}
