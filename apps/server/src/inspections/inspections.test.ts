import type { InspectionId, InspectionReport, SnapshotId, WorkerId } from '@pictor/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonb, withTransaction } from '../db/index.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { createInspection, getInspection, recordInspection, returnInspections, takeInspections } from './index.ts';

const FIRST = 'wrk_00000001' as WorkerId;
const SECOND = 'wrk_00000002' as WorkerId;
const report: InspectionReport = {
  savedWith: '3.4.1',
  inspectedWith: '3.4.1',
  activeScene: 'Scene',
  scenes: [
    {
      ...{ name: 'Scene', cameras: ['Camera'], camera: 'Camera', hasMarkerCamera: false },
      ...{ frameStart: 1, frameEnd: 2, frameStep: 1, frameCurrent: 1, fps: 24, engine: 'CYCLES' },
      ...{ resolutionX: 64, resolutionY: 36, resolutionPercent: 100, samples: 1, timeLimitSeconds: 0 },
      ...{ format: 'PNG', depth: '8', isMovie: false, usesDenoiser: false, denoiser: null },
      ...{ usesCompositor: false, usesSequencer: false, fileOutputNodes: [], views: [], stereoFormat: null },
      ...{ viewLayers: [], usesMotionBlur: false, usesHair: false, usesFreestyle: false, historyDependences: [] },
    },
  ],
  references: [],
  scripts: [],
};

describe('inspections', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await startTestDatabase();
  });
  afterAll(() => database.stop());

  it('is made once for a snapshot and a file, even when asked for at once', async () => {
    const { snapshotId } = await givenSnapshot();
    const ask = () => createInspection(database.db, { snapshotId, file: 'a.blend' }, 'operator');
    const [one, two] = await Promise.all([ask(), ask()]);
    expect(one).toMatchObject({ status: 'enqueued', report: null });
    expect(two.inspectionId).toBe(one.inspectionId);
    expect((await ask()).inspectionId).toBe(one.inspectionId);
  });

  it('is refused for a snapshot or a file that is not there', async () => {
    const { snapshotId } = await givenSnapshot();
    const ask = (id: string, file: string) =>
      createInspection(database.db, { snapshotId: id as SnapshotId, file }, 'operator');
    await expect(ask('snp_99999999', 'a.blend')).rejects.toMatchObject({ code: 'not-found' });
    await expect(ask(snapshotId, 'b.blend')).rejects.toMatchObject({ code: 'file-not-found' });
  });

  it('enqueued > processing > succeeded: by the worker that took it, once', async () => {
    const { inspectionId } = await givenInspection();
    const [first, second] = await Promise.all([take(FIRST, inspectionId), take(SECOND, inspectionId)]);
    expect(first.length + second.length).toBe(1);
    const [winner, loser] = first.length === 1 ? [FIRST, SECOND] : [SECOND, FIRST];
    expect(await record(inspectionId, loser, { report })).toBe('lease-lost');
    expect(await record(inspectionId, winner, { report })).toBe('recorded');
    expect(await record(inspectionId, winner, { report })).toBe('duplicate');
    expect(await getInspection(database.db, inspectionId)).toMatchObject({ status: 'succeeded', report });
  });

  it('processing > failed > enqueued: a failed one may be asked for again and is the same', async () => {
    const { inspectionId, snapshotId } = await givenInspection();
    await take(FIRST, inspectionId);
    expect(await record(inspectionId, FIRST, { failure: 'Blender crashed.' })).toBe('recorded');
    expect(await getInspection(database.db, inspectionId)).toMatchObject({
      status: 'failed',
      failure: 'Blender crashed.',
    });
    const again = await createInspection(database.db, { snapshotId, file: 'a.blend' }, 'operator');
    expect(again).toMatchObject({ inspectionId, status: 'enqueued', failure: null });
  });

  it('processing > enqueued: what a worker that left had goes to another, until too many have left over it', async () => {
    const { inspectionId } = await givenInspection();
    for (const status of ['enqueued', 'enqueued', 'failed']) {
      expect(await take(FIRST, inspectionId)).toHaveLength(1);
      expect(await returnInspections(database.db, SECOND)).toBe(0);
      await returnInspections(database.db, FIRST);
      expect(await getInspection(database.db, inspectionId)).toMatchObject({ status });
    }
    expect(await record(inspectionId, FIRST, { report })).toBe('lease-lost');
  });

  it('is taken oldest first, as many as are asked for', async () => {
    await database.db.deleteFrom('inspections').execute();
    const oldest = await givenInspection();
    await givenInspection();
    expect((await takeInspections(database.db, FIRST, { limit: 1 })).map((taken) => taken.inspectionId)).toEqual([
      oldest.inspectionId,
    ]);
  });

  const take = (workerId: WorkerId, inspectionId: InspectionId) =>
    takeInspections(database.db, workerId, { inspectionId });
  const record = (inspectionId: InspectionId, workerId: WorkerId, outcome: Parameters<typeof recordInspection>[3]) =>
    withTransaction(database.db, (tx) => recordInspection(tx, inspectionId, workerId, outcome));

  let count = 0;
  async function givenSnapshot() {
    count += 1;
    const snapshotId = `snp_${String(count).padStart(8, '0')}` as SnapshotId;
    await database.db
      .insertInto('snapshots')
      .values({
        snapshot_id: snapshotId,
        owner_id: 'operator',
        manifest: jsonb({ files: [{ path: 'a.blend' }] }),
        total_bytes: 1,
      })
      .execute();
    return { snapshotId };
  }

  async function givenInspection() {
    const { snapshotId } = await givenSnapshot();
    const { inspectionId } = await createInspection(database.db, { snapshotId, file: 'a.blend' }, 'operator');
    return { snapshotId, inspectionId };
  }
});
