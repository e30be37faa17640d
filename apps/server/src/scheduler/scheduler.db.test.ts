import type { FailureKind, Job, Lease } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withTransaction } from '../db/index.ts';
import { type LeasePlan, leaseFrames, type WrittenLease } from '../frames/index.ts';
import { BLENDER_SHA256, type FakeAgent } from '../testing/fake-agent.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { startTestNetwork, type TestNetwork, until } from '../testing/test-network.ts';
import { holdLeadership, isLeading, resignLeadership } from './leadership.ts';
import { startScheduler } from './start-scheduler.ts';

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
  await network.clear();
  await network.stop();
  expect(network.problems).toEqual([]);
});

const ended = (job: Job) =>
  until('the job has ended', async () => {
    const found = await network.job(job.jobId);
    return found.status !== 'rendering' && found;
  });

/** Works on whatever comes until the job has ended. Returns the numbers that were tried, in order. */
async function work(agent: FakeAgent, job: Job, failing: Map<number, FailureKind>): Promise<number[]> {
  const tried: number[] = [];
  const isOver = async () => (await network.job(job.jobId)).status !== 'rendering';
  for (;;) {
    await until('a lease or the end', async () => agent.kept('lease').length > 0 || (await isOver()));
    if (agent.kept('lease').length === 0) return tried;
    const lease = await agent.lease();
    for (const frame of lease.frames) {
      const failure = failing.get(frame.number);
      const report = failure ? await agent.fail(lease, frame, failure) : await agent.deliver(lease, frame);
      if (report.outcome !== 'lease-lost') tried.push(frame.number);
    }
  }
}

describe('retries (design 5.11)', () => {
  it('fail a frame after three attempts with the scene at fault, and name it in the completed job', async () => {
    const agent = await (await network.agent('alone')).start();
    const job = await network.createJob({ frames: '1-4' });
    const tried = await work(agent, job, new Map([[2, 'blender-crashed']]));
    expect(tried.filter((number) => number === 2)).toHaveLength(3);
    const done = await ended(job);
    expect(done).toMatchObject({ status: 'completed', counts: { accepted: 3, failed: 1 } });
    expect(done.statusReason).toContain('1 of 4 frames could not be rendered: 2.');
    expect(done.statusReason).toContain('blender-crashed: it broke');
  });

  it('go to another worker while there is one', async () => {
    const agents = [await (await network.agent('x')).start(), await (await network.agent('y')).start()];
    const job = await network.createJob({ frames: '1' });
    await Promise.all(agents.map((agent) => work(agent, job, new Map([[1, 'timed-out']]))));
    const { frames } = await network.handlers.listFrames({ params: { jobId: job.jobId } });
    const workers = frames[0]?.attempts.map((attempt) => attempt.workerName);
    expect(workers).toHaveLength(3);
    expect(workers?.[0]).not.toBe(workers?.[1]);
    expect(await ended(job)).toMatchObject({ status: 'failed' });
  });

  it('are not made where another try is useless', async () => {
    const agent = await (await network.agent('once')).start();
    const job = await network.createJob({ frames: '1' });
    expect(await work(agent, job, new Map([[1, 'scene-invalid']]))).toEqual([1]);
    const done = await ended(job);
    expect(done).toMatchObject({ status: 'failed', counts: { failed: 1 } });
    expect(done.statusReason).toContain('scene-invalid');
  });

  it('end: a worker that failed three frames leaves, and a job that all have left fails with the reason', async () => {
    const agents = [await (await network.agent('p')).start(), await (await network.agent('q')).start()];
    const job = await network.createJob({ frames: '1-20', framesPerNode: 5 });
    const all = new Map(Array.from({ length: 20 }, (_, index) => [index + 1, 'blender-crashed' as const]));
    const tried = (await Promise.all(agents.map((agent) => work(agent, job, all)))).flat();
    expect(tried).toHaveLength(6);
    const done = await ended(job);
    expect(done.status).toBe('failed');
    expect(done.statusReason).toContain('Every worker that can render this job has left it');
    expect(done.statusReason).toMatch(/p: it failed 3 frames, the last one with blender-crashed: it broke/);
    expect(done.counts.processing).toBe(0);
  });

  it('end also where one worker alone is at fault on one frame', async () => {
    const agent = await (await network.agent('full disk')).start();
    const job = await network.createJob({ frames: '1' });
    expect(await work(agent, job, new Map([[1, 'disk-full']]))).toEqual([1, 1, 1]);
    expect((await ended(job)).statusReason).toContain('disk-full');
  });

  it('stop the other frames of a worker that leaves', async () => {
    const agent = await (await network.agent('leaves')).start();
    await (await network.agent('remains')).start();
    await network.createJob({ frames: '1-20', framesPerNode: 6 });
    const lease = await agent.lease();
    for (const frame of lease.frames.slice(0, 3)) await agent.fail(lease, frame);
    const stop = await until('the stop', () => agent.kept('stop-frames').find((m) => m.leaseId === lease.leaseId));
    expect(stop.attemptIds).toEqual(lease.frames.slice(3).map((frame) => frame.attemptId));
  });

  it('begin anew when the creator asks for them, and forgive the workers', async () => {
    const agent = await (await network.agent('forgiven')).start();
    const job = await network.createJob({ frames: '1-2' });
    await work(agent, job, new Map([1, 2].map((number) => [number, 'scene-invalid' as const])));
    expect(await ended(job)).toMatchObject({ status: 'failed' });
    const params = { jobId: job.jobId };
    expect(await network.handlers.retryJob({ params })).toMatchObject({ status: 'rendering', counts: { enqueued: 2 } });
    await work(agent, job, new Map());
    expect(await ended(job)).toMatchObject({ status: 'completed', statusReason: null, counts: { accepted: 2 } });
    await expect(network.handlers.retryJob({ params })).rejects.toMatchObject({ code: 'conflict' });
    expect(await network.job(job.jobId)).toMatchObject({ status: 'completed' });
  });
});

describe(leaseFrames.name, () => {
  it('never leases a frame twice, however many lease at once', async () => {
    const agent = await network.agent('many');
    const parked = await (await network.agent('known')).start();
    await until('it is known', () => network.presence.get(parked.config.workerId)?.capabilities);
    await parked.heartbeat([], { draining: true });
    await until('it takes no work', () => network.presence.get(parked.config.workerId)?.isDraining);
    const job = await network.createJob({ frames: '1-300' });
    const plan: LeasePlan = {
      jobId: job.jobId,
      workerId: agent.config.workerId,
      deviceId: 'cpu',
      blenderSha256: BLENDER_SHA256,
      frames: 25,
      playFrom: null,
    };
    const options = { rules: new Map(), term: 1 };
    const batches = await Promise.all(
      Array.from({ length: 8 }, () =>
        withTransaction(network.db, (tx) => leaseFrames(tx, [plan, plan, plan], options)),
      ),
    );
    const leases: WrittenLease[] = batches.flat();
    const frames = leases.flatMap((lease) => lease.frames.map((frame) => frame.frameId));
    expect(new Set(frames).size).toBe(frames.length);
    const { rows } = await sql<{ processing: number }>`
      select count(*) as processing from frames where job_id = ${job.jobId} and status = 'processing'`.execute(
      network.db,
    );
    expect(frames.length).toBe(rows[0]?.processing);
    expect(frames.length).toBeLessThanOrEqual(300);
    expect(frames.length).toBeGreaterThan(0);
  });
});

describe('two schedulers', () => {
  it('take turns: one leads, the other takes over when it resigns, and each frame is leased once', async () => {
    const other = startScheduler({
      db: network.db,
      presence: network.presence,
      grants: { sign: () => 'grant', verify: () => undefined as never },
      log: (message) => network.problems.push(message),
    });
    const agent = await (await network.agent('served')).start();
    const job = await network.createJob({ frames: '1-6', framesPerNode: 1 });
    const seen: number[] = [];
    while (seen.length < 3) await deliverNext(agent, seen);
    await network.restart();
    await agent.take('refused');
    await agent.start();
    await other.close();
    while (seen.length < 6) await deliverNext(agent, seen);
    expect(seen.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await ended(job)).toMatchObject({ status: 'completed' });
  });
});

async function deliverNext(agent: FakeAgent, seen: number[]): Promise<void> {
  await agent.heartbeat([]);
  await agent.heartbeat([]);
  const lease: Lease = await agent.lease();
  for (const frame of lease.frames) {
    if ((await agent.deliver(lease, frame)).outcome === 'recorded') seen.push(frame.number);
  }
}

describe('the role of the scheduler', () => {
  it('is one process’s at a time, and a new term begins when another takes it over', async () => {
    await network.stop();
    const { db } = database;
    const first = await holdLeadership(db, 'first');
    expect(first).not.toBeNull();
    expect(await holdLeadership(db, 'second')).toBeNull();
    expect(await holdLeadership(db, 'first')).toEqual(first);
    // The first one is stopped for longer than it may be silent.
    await sql`update leaders set until = now() - interval '1 second'`.execute(db);
    expect(await withTransaction(db, (tx) => isLeading(tx, first as never))).toBe(false);
    const second = await holdLeadership(db, 'second');
    expect(second?.term).toBe((first?.term ?? 0) + 1);
    expect(await holdLeadership(db, 'first')).toBeNull();
    expect(await withTransaction(db, (tx) => isLeading(tx, first as never))).toBe(false);
    expect(await withTransaction(db, (tx) => isLeading(tx, second as never))).toBe(true);
    await resignLeadership(db, second as never);
    expect((await holdLeadership(db, 'first'))?.term).toBe((second?.term ?? 0) + 1);
    await sql`update leaders set until = '-infinity'`.execute(db);
    network = await startTestNetwork(database);
  });
});
