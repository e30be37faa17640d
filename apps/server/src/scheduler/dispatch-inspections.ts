import { type BlenderBuild, InspectionId, type WorkerId } from '@pictor/protocol';
import { sql } from 'kysely';
import type { Db } from '../db/index.ts';
import type { Grants } from '../identity/index.ts';
import { listWaitingInspections, returnInspections, takeInspections } from '../inspections/index.ts';
import { type ConnectedWorker, compareVersions, type Presence } from '../workers/index.ts';
import type { Manifests } from './push-leases.ts';

/** An inspection takes seconds; one of a huge file on a slow line much longer. */
const GRANT_SECONDS = 3600;
/** A bake plays the whole scene, and what it made is uploaded at its end: nobody knows when. */
const BAKE_GRANT_SECONDS = 7 * 24 * 3600;

/** Gives waiting inspections to agents, one each, to those first that render nothing. Returns whether any waits on. */
export async function dispatchInspections(
  deps: { db: Db; presence: Presence; grants: Grants; manifests: Manifests },
  busyWorkers: ReadonlySet<string>,
): Promise<void> {
  const waiting = await listWaitingInspections(deps.db);
  for (const { inspectionId, ownerId } of waiting) {
    const chosen = chooseWorker(deps.presence, busyWorkers, ownerId);
    if (!chosen) continue;
    const { worker, build } = chosen;
    const [task] = await takeInspections(deps.db, worker.workerId, { inspectionId });
    if (!task) continue;
    worker.inspecting.add(inspectionId);
    worker.send({
      type: 'inspect',
      task: {
        inspectionId,
        snapshotId: task.snapshotId,
        manifest: await deps.manifests.get(task.snapshotId),
        file: task.file,
        bake: task.isBake,
        ownerId,
        blenderSha256: build.sha256,
        grant: deps.grants.sign(
          { purpose: 'inspection', inspectionId, workerId: worker.workerId, snapshotId: task.snapshotId },
          task.isBake ? BAKE_GRANT_SECONDS : GRANT_SECONDS,
        ),
      },
    });
  }
}

/** The newest Blender reads the most files. A worker without walls looks into its owner's files only. */
function chooseWorker(
  presence: Presence,
  busyWorkers: ReadonlySet<string>,
  ownerId: string,
): { worker: ConnectedWorker; build: BlenderBuild } | undefined {
  return presence
    .list()
    .flatMap((worker) => {
      const build = worker.capabilities?.builds.toSorted((a, b) => compareVersions(b.version, a.version))[0];
      const isOwn = worker.capabilities?.sandbox !== 'none' || worker.ownerId === ownerId;
      const isFree = !worker.isDrained && !worker.isDraining && worker.inspecting.size === 0;
      return build && isOwn && isFree ? [{ worker, build }] : [];
    })
    .sort((a, b) => Number(busyWorkers.has(a.worker.workerId)) - Number(busyWorkers.has(b.worker.workerId)))
    .sort((a, b) => compareVersions(b.build.version, a.build.version))[0];
}

/** Enqueues inspections anew whose worker is away, or came back without them. */
export async function returnLostInspections(db: Db, presence: Presence): Promise<void> {
  const { rows } = await sql<{ inspectionId: string; workerId: WorkerId }>`
    select inspection_id as "inspectionId", worker_id as "workerId"
    from inspections
    where status = 'processing'`.execute(db);
  const lost = rows.filter(
    ({ inspectionId, workerId }) => !presence.get(workerId)?.inspecting.has(InspectionId.parse(inspectionId)),
  );
  for (const workerId of new Set(lost.map((row) => row.workerId))) await returnInspections(db, workerId);
}
