import type { Job, JobId } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withTransaction } from '../db/index.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { aReport, startTestNetwork, type TestNetwork, until } from '../testing/test-network.ts';
import { JOB_TRANSITIONS } from './job-transitions.ts';
import { moveJob } from './move-job.ts';

let database: TestDatabase;
let network: TestNetwork;
beforeAll(async () => {
  database = await startTestDatabase();
  network = await startTestNetwork(database);
});
beforeEach(async () => {
  // A worker that is known and away: jobs are possible, and nobody takes them.
  const agent = await (await network.agent('away')).start();
  await until('it is known', () => network.presence.get(agent.config.workerId)?.capabilities);
  await agent.vanish();
});
afterEach(() => network.clear());
afterAll(async () => {
  await network.stop();
  expect(network.problems).toEqual([]);
  await database.stop();
});

const paramsOf = (job: { jobId: JobId }) => ({ params: { jobId: job.jobId } });
const setStatus = (job: { jobId: JobId }, status: string) =>
  sql`update jobs set status = ${status} where job_id = ${job.jobId}`.execute(network.db);

describe('a job', () => {
  it('of 100,000 frames is made in one statement', async () => {
    const job = await network.createJob({ frames: '1-100000' });
    expect(job).toMatchObject({ status: 'rendering', frames: '1-100000', frameCount: 100_000 });
    expect(job.counts).toMatchObject({ enqueued: 100_000, processing: 0, failed: 0 });
    await network.handlers.cancelJob(paramsOf(job));
  });

  it('is made once for one idempotency key, also by two requests at once', async () => {
    const { snapshotId } = await network.createJob();
    const { rows } = await sql<{ inspectionId: never }>`
      select inspection_id as "inspectionId" from inspections where snapshot_id = ${snapshotId}`.execute(network.db);
    const ids = { snapshotId, inspectionId: rows[0]?.inspectionId };
    const requests = Array.from({ length: 4 }, () => network.createJob({ ...ids, idempotencyKey: 'the same thing' }));
    const jobs = await Promise.all(requests);
    expect(new Set(jobs.map((job) => job.jobId)).size).toBe(1);
    expect(jobs[0]?.counts.enqueued).toBe(4);
  });

  it('is refused where its inspection is of something else, or not over', async () => {
    const job = await network.createJob();
    const settings = { file: 'other.blend', allowMissing: false };
    await expect(network.createJob({ settings })).rejects.toMatchObject({ code: 'settings-invalid' });
    await expect(network.createJob({ snapshotId: job.snapshotId })).rejects.toMatchObject({ code: 'settings-invalid' });
    await expect(network.createJob({ inspectionId: 'ins_00000000' as never })).rejects.toMatchObject({
      code: 'not-found',
    });
    const unknown = network.handlers.getJob({ params: { jobId: 'job_00000000' as JobId } });
    await expect(unknown).rejects.toMatchObject({ code: 'not-found' });
  });

  it('can be paused, resumed and canceled, twice as well as once, and not when it is over', async () => {
    const job = await network.createJob();
    const { pauseJob, resumeJob, cancelJob } = network.handlers;
    for (const _ of [1, 2]) expect(await pauseJob(paramsOf(job))).toMatchObject({ status: 'paused' });
    for (const _ of [1, 2]) expect(await resumeJob(paramsOf(job))).toMatchObject({ status: 'rendering' });
    for (const _ of [1, 2]) expect(await cancelJob(paramsOf(job))).toMatchObject({ status: 'canceled' });
    await expect(resumeJob(paramsOf(job))).rejects.toMatchObject({ code: 'conflict', details: { status: 'canceled' } });
    await expect(pauseJob(paramsOf(job))).rejects.toMatchObject({ code: 'conflict' });
    await setStatus(job, 'completed');
    await expect(cancelJob(paramsOf(job))).rejects.toMatchObject({ code: 'conflict' });
  });

  it('that is paused is leased no more, and goes on when it is resumed', async () => {
    const job = await network.createJob({ frames: '1-3', framesPerNode: 1 });
    await network.handlers.pauseJob(paramsOf(job));
    const agent = await (await network.agent('waits')).start();
    await until('the agent is known', () => network.presence.get(agent.config.workerId)?.capabilities);
    await agent.heartbeat([]);
    expect(agent.kept('lease')).toEqual([]);
    await network.handlers.resumeJob(paramsOf(job));
    const lease = await agent.lease();
    await network.handlers.pauseJob(paramsOf(job));
    expect(await agent.deliver(lease, lease.frames[0] as never)).toMatchObject({ outcome: 'recorded' });
    const next = await agent.lease();
    expect(await agent.deliver(next, next.frames[0] as never)).toMatchObject({ outcome: 'recorded' });
    await until('both are accepted', async () => (await network.job(job.jobId)).counts.accepted === 2);
    expect(agent.kept('lease')).toEqual([]);
    await network.handlers.resumeJob(paramsOf(job));
    expect((await agent.lease()).frames[0]?.number).toBe(3);
    await network.handlers.cancelJob(paramsOf(job));
    await agent.vanish();
  });

  it('that is canceled stops its frames, and late reports change nothing', async () => {
    const agent = await (await network.agent('stops')).start();
    const job = await network.createJob({ framesPerNode: 2 });
    const lease = await agent.lease();
    await network.handlers.cancelJob(paramsOf(job));
    const stop = await agent.take('stop-frames');
    expect(stop).toMatchObject({ leaseId: lease.leaseId, attemptIds: lease.frames.map((frame) => frame.attemptId) });
    expect(await agent.deliver(lease, lease.frames[0] as never)).toMatchObject({ outcome: 'lease-lost' });
    expect(await network.job(job.jobId)).toMatchObject({ status: 'canceled', counts: { enqueued: 4, processing: 0 } });
    const { frames } = await network.handlers.listFrames(paramsOf(job));
    expect(frames[0]?.attempts[0]).toMatchObject({ status: 'abandoned', message: 'the job was canceled' });
    await agent.vanish();
  });

  it('says how fast its frames come, and how long it will take', async () => {
    const agent = await (await network.agent('measured')).start();
    const job = await network.createJob({ frames: '1-4', framesPerNode: 2 });
    expect(job).toMatchObject({ framesPerMinute: null, secondsLeft: null });
    const lease = await agent.lease();
    for (const frame of lease.frames) await agent.deliver(lease, frame);
    const half = await network.job(job.jobId);
    expect(half.framesPerMinute).toBeGreaterThan(0);
    expect(half.secondsLeft).toBeGreaterThan(0);
    await network.handlers.cancelJob(paramsOf(job));
    await agent.vanish();
  });

  it('of a scene with history is one lease that plays from the first frame', async () => {
    const cloth = { kind: 'cloth', object: 'Flag', modifier: 'Cloth', bakeable: true } as const;
    const job = await network.createJob(
      { sequential: true, frames: '3-9x2' },
      aReport({ historyDependences: [cloth], frameStart: 1, frameEnd: 9 }),
    );
    const agent = await (await network.agent('plays')).start();
    const lease = await agent.lease();
    expect(lease).toMatchObject({ playFrom: 1, jobId: job.jobId });
    expect(lease.frames.map((frame) => frame.number)).toEqual([3, 5, 7, 9]);
    await network.handlers.cancelJob(paramsOf(job));
    await agent.vanish();
  });
});

describe(moveJob.name, () => {
  it('follows every arrow of the table and refuses every other', async () => {
    const job: Job = await network.createJob();
    await setStatus(job, 'canceled');
    const statuses = Object.keys(JOB_TRANSITIONS) as Job['status'][];
    for (const from of statuses) {
      for (const to of statuses) {
        await withTransaction(network.db, async (tx) => {
          await sql`update jobs set status = ${from} where job_id = ${job.jobId}`.execute(tx);
          const moved = await moveJob(tx, job.jobId, to, 'a test');
          expect({ from, to, moved }).toEqual({ from, to, moved: JOB_TRANSITIONS[from].includes(to) });
          await sql`update jobs set status = 'canceled' where job_id = ${job.jobId}`.execute(tx);
        });
      }
    }
  });
});
