import { createHash } from 'node:crypto';
import { PictorError, type SnapshotFile, SnapshotId, type SnapshotManifest } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, jsonb, type Tx, withTransaction } from '../db/index.ts';
import { checkContent } from './check-content.ts';
import type { ObjectStore } from './object-store.ts';

const ID_CHARACTERS = 40;

/**
 * Commits a manifest whose chunks were uploaded. The id follows from owner and content: the same files committed again are the same
 * snapshot. Throws `path-invalid` for paths that some machine could not tell apart, and what `checkContent` throws.
 */
export async function createSnapshot(
  db: Db,
  store: ObjectStore,
  manifest: SnapshotManifest,
  ownerId: string,
): Promise<SnapshotId> {
  refuseCollidingPaths(manifest.files);
  await checkContent(store, manifest.files);
  return withTransaction(db, (tx) => insertSnapshot(tx, manifest, ownerId), { repeatable: true });
}

/** Inserts a snapshot whose content was checked, unless it is there. */
export async function insertSnapshot(tx: Tx, manifest: SnapshotManifest, ownerId: string): Promise<SnapshotId> {
  const files = manifest.files.toSorted((a, b) => compare(a.path, b.path));
  const remaps = manifest.remaps.toSorted((a, b) => compare(a.original, b.original) || compare(a.path, b.path));
  const snapshotId = idOf(files, remaps, ownerId);
  const chunks = [...new Set(files.flatMap((file) => file.chunks))];
  const inserted = await tx
    .insertInto('snapshots')
    .values({
      snapshot_id: snapshotId,
      owner_id: ownerId,
      manifest: jsonb({ files, remaps }),
      total_bytes: files.reduce((total, file) => total + file.sizeBytes, 0),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('snapshot_id')
    .execute();
  if (inserted.length === 0) return snapshotId;
  await sql`
    insert into snapshot_chunks (snapshot_id, sha256)
    select ${snapshotId}, decode(chunk, 'hex')
    from unnest(${chunks}::text[]) as chunk`.execute(tx);
  return snapshotId;
}

function idOf(files: SnapshotFile[], remaps: SnapshotManifest['remaps'], ownerId: string): SnapshotId {
  const content = [
    'pictor-snapshot-v1',
    ownerId,
    files.map((file) => [file.path, file.sizeBytes, file.sha256]),
    remaps.map((remap) => [remap.original, remap.path]),
  ];
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  return SnapshotId.parse(`snp_${digest.slice(0, ID_CHARACTERS)}`);
}

/** Agents unpack a snapshot on their own file systems, some of which take upper case, or another form of unicode, for the same name. */
function refuseCollidingPaths(files: SnapshotFile[]): void {
  const kinds = new Map<string, { path: string; isFile: boolean }>();
  const claim = (path: string, isFile: boolean) => {
    const key = path.normalize('NFC').toLowerCase();
    const other = kinds.get(key);
    if (other === undefined) kinds.set(key, { path, isFile });
    else if (isFile || other.isFile) refuse(path, other.path);
    else if (other.path !== path) refuse(path, other.path);
  };
  for (const { path } of files) {
    if (!path.isWellFormed()) {
      throw new PictorError('path-invalid', `${JSON.stringify(path)} is not valid unicode: rename the file.`);
    }
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) claim(path.slice(0, end), false);
    claim(path, true);
  }
}

function refuse(path: string, other: string): never {
  throw new PictorError(
    'path-invalid',
    path === other
      ? `${path} is in the project twice: send each file once.`
      : `${path} and ${other} are one name on some machines: rename one of them.`,
    { details: { paths: [other, path] } },
  );
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
