import type { SnapshotFile } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getSnapshot } from '../assets/index.ts';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { fileOf } from '../testing/test-app.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { aReport, aSnapshot, startTestNetwork, type TestNetwork } from '../testing/test-network.ts';

const file = 'scene.blend';
let database: TestDatabase;
let network: TestNetwork;
let agent: FakeAgent;
beforeAll(async () => {
  database = await startTestDatabase();
  network = await startTestNetwork(database);
  agent = await (await network.agent('bakes')).start();
});
afterAll(async () => {
  await agent.vanish();
  await network.stop();
  await database.stop();
  expect(network.problems).toEqual([]);
});

async function aBake() {
  const snapshotId = await aSnapshot(network.db, network.store);
  const asked = await network.handlers.createInspection({ body: { snapshotId, file, bake: true } });
  const task = await agent.inspectTask();
  expect(task).toMatchObject({ inspectionId: asked.inspectionId, snapshotId, file, bake: true });
  return { snapshotId, task };
}

async function aBakedFile(options: { isUploaded: boolean }): Promise<SnapshotFile> {
  const bytes = Buffer.from(`BLENDER baked ${crypto.randomUUID()}`);
  const baked = fileOf(file, bytes);
  const chunk = async function* () {
    yield bytes;
  };
  if (options.isUploaded) await network.store.writeChunk(baked.chunks[0] as string, chunk());
  return baked;
}

const inspectionOf = ({ inspectionId }: { inspectionId: string }) =>
  network.handlers.getInspection({ params: { inspectionId: inspectionId as never } });

describe('a bake (B1)', () => {
  it('makes a snapshot with the baked file, once, which jobs are of from then on', async () => {
    const { snapshotId, task } = await aBake();
    const baked = await aBakedFile({ isUploaded: true });
    expect(await agent.inspected(task, aReport(), baked)).toMatchObject({ outcome: 'recorded' });
    expect(await agent.inspected(task, aReport(), baked)).toMatchObject({ outcome: 'duplicate' });
    const done = await inspectionOf(task);
    const bakedSnapshotId = done.bakedSnapshotId as typeof snapshotId;
    expect(done).toMatchObject({ status: 'succeeded', snapshotId });
    expect(bakedSnapshotId).not.toBe(snapshotId);
    expect((await getSnapshot(network.db, bakedSnapshotId)).files).toEqual([baked]);
    const { rows } = await sql`select from snapshot_chunks where snapshot_id = ${bakedSnapshotId}`.execute(network.db);
    expect(rows).toHaveLength(1);

    const again = await network.handlers.createInspection({ body: { snapshotId, file, bake: true } });
    expect(again).toMatchObject({ inspectionId: task.inspectionId, bakedSnapshotId });
    const { inspectionId } = task;
    await expect(network.createJob({ snapshotId, inspectionId })).rejects.toThrow('have that inspected');
    const beyond = network.createJob({ snapshotId: bakedSnapshotId, inspectionId, frames: '1-9' });
    await expect(beyond).rejects.toThrow('Frame 5 was not baked');
    const job = await network.createJob({ snapshotId: bakedSnapshotId, inspectionId });
    expect(await agent.lease()).toMatchObject({ jobId: job.jobId, manifest: { files: [baked] } });
    await network.handlers.cancelJob({ params: { jobId: job.jobId } });
  });

  it('is another inspection than looking into the same file', async () => {
    const { snapshotId, task } = await aBake();
    await agent.inspected(task, aReport(), await aBakedFile({ isUploaded: true }));
    const plain = await network.handlers.createInspection({ body: { snapshotId, file, bake: false } });
    expect(plain.inspectionId).not.toBe(task.inspectionId);
    const looking = await agent.inspectTask();
    await agent.inspected(looking, aReport());
    expect(await inspectionOf(plain)).toMatchObject({ status: 'succeeded', bakedSnapshotId: null });
  });

  it('fails without the baked file, with another path, and with chunks that were not uploaded', async () => {
    const uploaded = await aBakedFile({ isUploaded: true });
    const elsewhere = { ...uploaded, path: 'other.blend' as never };
    const lost = await aBakedFile({ isUploaded: false });
    for (const [bakedFile, failure] of [
      [undefined, 'no baked scene.blend'],
      [elsewhere, 'no baked scene.blend'],
      [lost, 'were not uploaded'],
    ] as const) {
      const { task } = await aBake();
      await agent.inspected(task, aReport(), bakedFile);
      expect(await inspectionOf(task)).toMatchObject({
        status: 'failed',
        failure: expect.stringContaining(failure),
        bakedSnapshotId: null,
      });
    }
  });
});
