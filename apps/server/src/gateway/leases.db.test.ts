import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { startTestNetwork, type TestNetwork, until } from '../testing/test-network.ts';

let database: TestDatabase;
let network: TestNetwork;
beforeAll(async () => {
  database = await startTestDatabase();
});
afterAll(async () => {
  await database.stop();
});
beforeEach(async () => {
  network = await startTestNetwork(database);
});
afterEach(async () => {
  await sql`update jobs set status = 'canceled' where status in ('rendering', 'paused')`.execute(database.db);
  await network.stop();
  expect(network.problems).toEqual([]);
});

describe('a lease', () => {
  it('is delivered frame by frame, checked, accepted, and completes its job', async () => {
    const agent = await (await network.agent('a')).start();
    const job = await network.createJob();
    const numbers: number[] = [];
    while (numbers.length < 4) {
      const lease = await agent.lease();
      expect(lease).toMatchObject({
        jobId: job.jobId,
        deviceId: 'cpu',
        settings: { file: 'scene.blend' },
        playFrom: null,
      });
      for (const frame of lease.frames) {
        numbers.push(frame.number);
        expect(await agent.deliver(lease, frame)).toMatchObject({ outcome: 'recorded' });
      }
    }
    const done = await until('the job is completed', async () => {
      const found = await network.job(job.jobId);
      return found.status === 'completed' && found;
    });
    expect(numbers.sort()).toEqual([1, 2, 3, 4]);
    expect(done.counts.accepted).toBe(4);
    const { frames } = await network.handlers.listFrames({ params: { jobId: job.jobId } });
    expect(frames[0]).toMatchObject({
      status: 'accepted',
      proof: 'unproven: no checker looked at it',
      attempts: [{ status: 'verified', workerName: 'a', renderSeconds: 1 }],
    });
    const { outputs } = await network.handlers.listOutputs({ params: { jobId: job.jobId } });
    expect(outputs.map((output) => output.path)).toEqual(['0001.png', '0002.png', '0003.png', '0004.png']);
  });
});
