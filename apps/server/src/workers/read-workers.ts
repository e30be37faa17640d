import type { Capabilities, Worker } from '@pictor/protocol';
import { PictorError } from '@pictor/protocol';
import { sql } from 'kysely';
import { type Db, jsonb } from '../db/index.ts';

interface WorkerRow extends Omit<Worker, 'lastSeenAt'> {
  lastSeenAt: Date | null;
}

const COLUMNS = sql`
  worker_id as "workerId", name, status, status_reason as "statusReason", hostname, capabilities,
  public_key is not null as enrolled, last_seen_at as "lastSeenAt"`;

/** All workers, oldest first. */
export async function listWorkers(db: Db): Promise<Worker[]> {
  const { rows } = await sql<WorkerRow>`select ${COLUMNS} from workers order by created_at, worker_id`.execute(db);
  return rows.map(toWorker);
}

/** One worker. Throws `not-found`. */
export async function getWorker(db: Db, workerId: string): Promise<Worker> {
  const { rows } = await sql<WorkerRow>`select ${COLUMNS} from workers where worker_id = ${workerId}`.execute(db);
  if (!rows[0]) throw new PictorError('not-found', `There is no worker ${workerId}.`);
  return toWorker(rows[0]);
}

const toWorker = (row: WorkerRow): Worker => ({ ...row, lastSeenAt: row.lastSeenAt?.toISOString() ?? null });

/** A worker that may render for an owner, with what it can do. */
export interface CapableWorker {
  workerId: string;
  name: string;
  ownerId: string;
  isOnline: boolean;
  capabilities: Capabilities;
}

/**
 * Workers that ever said what they can do and whose key is not revoked: all of them, or with `seenWithinSeconds` those that are
 * connected or were heard of so lately that they may come back.
 */
export async function listCapableWorkers(db: Db, seenWithinSeconds: number | null = null): Promise<CapableWorker[]> {
  const { rows } = await sql<CapableWorker>`
    select worker_id as "workerId", name, owner_id as "ownerId", status <> 'offline' as "isOnline", capabilities
    from workers
    where capabilities is not null and revoked_at is null
      and (${seenWithinSeconds}::float8 is null or status <> 'offline'
        or last_seen_at > now() - make_interval(secs => ${seenWithinSeconds}::float8))
    order by created_at, worker_id`.execute(db);
  return rows;
}

/** Keeps what a worker says it can do, so that jobs can be judged while it is away. */
export async function recordCapabilities(db: Db, workerId: string, capabilities: Capabilities): Promise<void> {
  await sql`
    update workers set capabilities = ${jsonb(capabilities)}, last_seen_at = now()
    where worker_id = ${workerId}`.execute(db);
}
