import type { Generated } from 'kysely';

/*
 * What stands in the tables, by room. A column that the database fills is `Generated`. `jsonb` columns come back parsed; write them
 * with `jsonb(value)`. bigint columns come back as numbers, timestamptz as Date.
 */

export interface SnapshotsTable {
  snapshot_id: string;
  owner_id: string;
  /** Shape: protocol's SnapshotManifest. */
  manifest: unknown;
  total_bytes: number;
  created_at: Generated<Date>;
}

export interface SnapshotChunksTable {
  snapshot_id: string;
  sha256: Buffer;
}

export interface InspectionsTable {
  inspection_id: string;
  snapshot_id: string;
  file: string;
  owner_id: string;
  status: Generated<'enqueued' | 'processing' | 'succeeded' | 'failed'>;
  /** The worker that looks into it; set while processing and afterwards. */
  worker_id: string | null;
  /** Workers that took it since it was asked for. */
  attempts: Generated<number>;
  /** Shape: protocol's InspectionReport. */
  report: unknown | null;
  failure: string | null;
  is_bake: Generated<boolean>;
  /** Of a bake that succeeded. */
  baked_snapshot_id: string | null;
  created_at: Generated<Date>;
  started_at: Date | null;
  ended_at: Date | null;
}

export interface OutboxTable {
  /** xid8, as text. */
  tx: Generated<string>;
  id: Generated<number>;
  topic: string;
  job_id: string | null;
  /** Shape: protocol's JobEvent. */
  payload: unknown;
  created_at: Generated<Date>;
}

export interface OutboxHorizonTable {
  is_single: Generated<boolean>;
  swept_tx: string;
  swept_id: number;
}

/** All tables, for Kysely. */
export interface Database {
  snapshots: SnapshotsTable;
  snapshot_chunks: SnapshotChunksTable;
  inspections: InspectionsTable;
  outbox: OutboxTable;
  outbox_horizon: OutboxHorizonTable;
}
