import { PictorError, type Snapshot, type SnapshotId, SnapshotManifest } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';

/** Throws `not-found`. */
export async function getSnapshot(db: Db, snapshotId: SnapshotId): Promise<Snapshot & { ownerId: string }> {
  const row = await db.selectFrom('snapshots').selectAll().where('snapshot_id', '=', snapshotId).executeTakeFirst();
  if (!row) throw new PictorError('not-found', `There is no snapshot ${snapshotId}: upload the project.`);
  return {
    ...SnapshotManifest.parse(row.manifest),
    snapshotId,
    ownerId: row.owner_id,
    totalBytes: row.total_bytes,
    createdAt: row.created_at.toISOString(),
  };
}

/** Whether a chunk belongs to a snapshot: what a grant opens for reading (rule C3). */
export async function isChunkOfSnapshot(db: Db, snapshotId: SnapshotId, sha256: string): Promise<boolean> {
  const { rows } = await sql`
    select from snapshot_chunks
    where snapshot_id = ${snapshotId} and sha256 = decode(${sha256}, 'hex')`.execute(db);
  return rows.length > 0;
}
