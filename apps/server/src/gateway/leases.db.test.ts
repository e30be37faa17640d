import type { Lease, LeaseId } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { aReport, aSnapshot, startTestNetwork, type TestNetwork, until } from '../testing/test-network.ts';

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

const expire = (lease: Lease) =>
  sql`update leases set expires_at = now() - interval '1 second' where lease_id = ${lease.leaseId}`.execute(network.db);
const framesOf = async (lease: Lease) =>
  (await network.handlers.listFrames({ params: { jobId: lease.jobId } })).frames.map(({ number, status }) => ({
    number,
    status,
  }));
const completed = (lease: { jobId: Lease['jobId'] }) =>
  until('the job is completed', async () => {
    const job = await network.job(lease.jobId);
    return job.status === 'completed' && job;
  });
const deliverAll = async (agent: FakeAgent, lease: Lease) => {
  for (const frame of lease.frames) await agent.deliver(lease, frame);
};

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
    const done = await completed(job);
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

  it('gives back only the frames that were not delivered when it expires (L3)', async () => {
    const agent = await (await network.agent('slow')).start();
    await network.createJob({ framesPerNode: 4 });
    const lease = await agent.lease();
    const [first, second] = lease.frames;
    await agent.deliver(lease, first as (typeof lease.frames)[0]);
    await agent.vanish();
    await expire(lease);
    const rescuer = await (await network.agent('rescuer')).start();
    const rest = await rescuer.lease();
    expect(rest.frames.map((frame) => frame.number)).toEqual([2, 3, 4]);
    expect(rest.frames[0]?.frameId).toBe(second?.frameId);
    expect(rest.frames[0]?.attemptId).not.toBe(second?.attemptId);
    await deliverAll(rescuer, rest);
    expect((await completed(lease)).counts.accepted).toBe(4);
  });

  it('is lost once it has expired: late reports and renewals change nothing (L2, L4)', async () => {
    const agent = await (await network.agent('late')).start();
    await network.createJob({ framesPerNode: 4, frames: '1-2' });
    const lease = await agent.lease();
    const [first] = lease.frames;
    await expire(lease);
    expect(await agent.heartbeat([lease])).toMatchObject({ renewed: [], lost: [lease.leaseId] });
    expect(await agent.deliver(lease, first as (typeof lease.frames)[0])).toMatchObject({ outcome: 'lease-lost' });
    const again = await agent.lease();
    expect(again.leaseId).not.toBe(lease.leaseId);
    expect(await agent.fail(lease, first as (typeof lease.frames)[0])).toMatchObject({ outcome: 'lease-lost' });
    expect(await framesOf(lease)).toEqual([
      { number: 1, status: 'processing' },
      { number: 2, status: 'processing' },
    ]);
  });

  it('is nobody else’s: a report with another token changes nothing (L4)', async () => {
    const agent = await (await network.agent('owner')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    const thief = await (await network.agent('thief')).start();
    expect(await thief.deliver(lease, lease.frames[0] as never)).toMatchObject({ outcome: 'lease-lost' });
    const forged = { ...lease, token: 'guessed' };
    expect(await agent.deliver(forged, lease.frames[0] as never)).toMatchObject({ outcome: 'lease-lost' });
    expect(await agent.deliver(lease, lease.frames[0] as never)).toMatchObject({ outcome: 'recorded' });
    await completed(lease);
  });

  it('is renewed by heartbeats, with a fresh grant (L2)', async () => {
    const agent = await (await network.agent('beating')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    await sql`update leases set expires_at = now() + interval '1 second' where lease_id = ${lease.leaseId}`.execute(
      network.db,
    );
    const unknown = { leaseId: 'lse_0000000000' as LeaseId, token: 'x' };
    const ack = await agent.heartbeat([lease, unknown]);
    expect(ack.lost).toEqual([unknown.leaseId]);
    expect(ack.renewed).toMatchObject([{ leaseId: lease.leaseId, grant: expect.stringMatching(/./) }]);
    const { rows } = await sql<{ seconds: number }>`
      select extract(epoch from expires_at - now())::float8 as seconds from leases
      where lease_id = ${lease.leaseId}`.execute(network.db);
    expect(rows[0]?.seconds).toBeGreaterThan(10);
  });

  it('can be given back, and its rest goes to another worker', async () => {
    const agent = await (await network.agent('leaving')).start();
    await network.createJob({ framesPerNode: 4 });
    const lease = await agent.lease();
    await agent.deliver(lease, lease.frames[0] as never);
    await agent.heartbeat([lease], { draining: true });
    const { leaseId, token } = lease;
    expect(await agent.report({ kind: 'lease-released', leaseId, token, reason: 'stopping' })).toMatchObject({
      outcome: 'recorded',
    });
    const other = await (await network.agent('staying')).start();
    expect((await other.lease()).frames.map((frame) => frame.number)).toEqual([2, 3, 4]);
    expect(agent.kept('lease')).toEqual([]);
  });

  it('comes twice to a device, never more (L5)', async () => {
    const agent = await (await network.agent('full')).start();
    await network.createJob({ frames: '1-100', framesPerNode: 2 });
    const first = await agent.lease();
    const second = await agent.lease();
    await agent.heartbeat([first, second]);
    await agent.deliver(first, first.frames[0] as never);
    expect(agent.kept('lease')).toEqual([]);
    await agent.deliver(first, first.frames[1] as never);
    expect((await agent.lease()).frames.map((frame) => frame.number)).toEqual([5, 6]);
  });
});

describe('a report', () => {
  it('is recorded once, however often it is sent (R2)', async () => {
    const agent = await (await network.agent('twice')).start();
    await network.createJob({ frames: '1-2', framesPerNode: 2 });
    const lease = await agent.lease();
    const delivery = await agent.delivery(lease, lease.frames[0] as never);
    expect(await agent.report(delivery, 1)).toMatchObject({ outcome: 'recorded' });
    expect(await agent.report(delivery, 1)).toMatchObject({ outcome: 'duplicate' });
    await agent.vanish();
    expect(await agent.connect()).toMatchObject({ type: 'welcome', lastSequence: 1 });
    expect(await agent.report(delivery, 1)).toMatchObject({ outcome: 'duplicate' });
    const { rows } = await sql`select from outputs where attempt_id = ${delivery.attemptId}`.execute(network.db);
    expect(rows).toHaveLength(1);
  });

  it('is refused where a chunk was not uploaded, and the frame is tried again (R3)', async () => {
    const agent = await (await network.agent('hasty')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    const delivery = await agent.delivery(lease, lease.frames[0] as never);
    const missing = 'f'.repeat(64);
    const outputs = delivery.outputs.map((output) => ({ ...output, chunks: [missing] }));
    const ack = await agent.report(agent.deliveryOf(lease, lease.frames[0] as never, outputs));
    expect(ack).toMatchObject({ outcome: 'refused' });
    const again = await agent.lease();
    await deliverAll(agent, again);
    await completed(lease);
  });

  it('is refused where its signature is not the worker’s (R4)', async () => {
    const agent = await (await network.agent('forger')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    const delivery = await agent.delivery(lease, lease.frames[0] as never);
    const forged = { ...delivery, signature: Buffer.alloc(64).toString('base64url') };
    expect(await agent.report(forged)).toMatchObject({ outcome: 'refused' });
  });

  it('of something that is not a picture sends the frame to be rendered again', async () => {
    const agent = await (await network.agent('confused')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    await agent.deliver(lease, lease.frames[0] as never, { bytes: Buffer.from('GIF89a, not a PNG') });
    await deliverAll(agent, await agent.lease());
    await completed(lease);
    const { frames } = await network.handlers.listFrames({ params: { jobId: lease.jobId } });
    expect(frames[0]?.attempts.map((attempt) => attempt.status)).toEqual(['refuted', 'verified']);
  });

  it('may hold what PostgreSQL cannot keep', async () => {
    const agent = await (await network.agent('odd')).start();
    await network.createJob({ frames: '1' });
    const lease = await agent.lease();
    expect(await agent.fail(lease, lease.frames[0] as never, 'blender-crashed', 'a \0 and a \ud800')).toMatchObject({
      outcome: 'recorded',
    });
    const { frames } = await network.handlers.listFrames({ params: { jobId: lease.jobId } });
    expect(frames[0]?.attempts[0]?.message).toBe('a \ufffd and a \ufffd');
  });
});

describe('a restart', () => {
  it('of the server leaves leases with the agents, which go on with them', async () => {
    const agent = await (await network.agent('patient')).start();
    await network.createJob({ framesPerNode: 4 });
    const lease = await agent.lease();
    await agent.deliver(lease, lease.frames[0] as never);
    // A server that was away for longer than a lease lives has heard nobody: nobody is to blame.
    await sql`update leases set expires_at = now() + interval '1 second' where lease_id = ${lease.leaseId}`.execute(
      network.db,
    );
    await network.restart();
    expect((await agent.take('refused')).reason).toBe('shutting-down');
    await agent.start();
    expect(await agent.heartbeat([lease])).toMatchObject({ renewed: [{ leaseId: lease.leaseId }], lost: [] });
    for (const frame of lease.frames.slice(1)) {
      expect(await agent.deliver(lease, frame)).toMatchObject({ outcome: 'recorded' });
    }
    expect((await completed(lease)).counts.accepted).toBe(4);
    expect(agent.kept('lease')).toEqual([]);
  });

  it('of PostgreSQL, killed in mid-write, loses nothing and makes nothing twice', async () => {
    const agent = await (await network.agent('steady')).start();
    const job = await network.createJob({ frames: '1-40', framesPerNode: 2 });
    const recorded: number[] = [];
    while (recorded.length < 40) {
      const lease = await agent.lease();
      for (const frame of lease.frames) {
        const delivery = await agent.delivery(lease, frame);
        if (recorded.length % 10 === 5) process.kill(database.postgres.pid(), 'SIGKILL');
        const ack = await agent.report(delivery);
        expect(['recorded', 'duplicate']).toContain(ack.outcome);
        recorded.push(frame.number);
      }
      // Known to be alive: a lease that was written and not sent is found by what heartbeats name.
      await agent.heartbeat([]);
    }
    expect((await completed(job)).counts.accepted).toBe(40);
    const { outputs } = await network.handlers.listOutputs({ params: { jobId: job.jobId } });
    expect(outputs).toHaveLength(40);
    // A pass of the scheduler that lost the database says so, and the next one makes up for it.
    network.problems.length = 0;
  });

  it('of an agent that lost its lease brings it the rest of it again (L6)', async () => {
    const agent = await (await network.agent('forgetful')).start();
    await network.createJob({ framesPerNode: 4 });
    const lease = await agent.lease();
    await agent.deliver(lease, lease.frames[0] as never);
    await agent.vanish();
    agent.instanceId = crypto.randomUUID();
    await agent.start();
    // The first one may overtake what the agent gives back.
    await agent.heartbeat([]);
    await agent.heartbeat([]);
    const again = await agent.lease();
    expect(again).toMatchObject({ leaseId: lease.leaseId, token: lease.token, frames: lease.frames.slice(1) });
    await deliverAll(agent, again);
    await completed(lease);
  });
});

describe('an alert', () => {
  it('is told to whoever watches, and changes nothing of the frame', async () => {
    const agent = await (await network.agent('stuck')).start();
    await network.createJob({ frames: '7' });
    const lease = await agent.lease();
    const { attemptId, frameId } = lease.frames[0] as Lease['frames'][0];
    const alert = { kind: 'frame-alert', leaseId: lease.leaseId, token: lease.token, attemptId } as const;
    const reported = await agent.report({ ...alert, level: 'analysis', evidence: 'no sample for 60 s' });
    expect(reported).toMatchObject({ outcome: 'recorded' });
    const { rows } = await sql<{ payload: object }>`
      select payload from outbox where topic = 'frame.alert' and job_id = ${lease.jobId}`.execute(network.db);
    expect(rows[0]?.payload).toEqual({
      ...{ type: 'frame.alert', jobId: lease.jobId, frameId, number: 7, level: 'analysis' },
      evidence: 'no sample for 60 s',
    });
    expect(await framesOf(lease)).toEqual([{ number: 7, status: 'processing' }]);
    await deliverAll(agent, lease);
    expect(await agent.report({ ...alert, level: 'alert', evidence: '' })).toMatchObject({ outcome: 'lease-lost' });
  });
});

describe('progress', () => {
  it('is told to whoever watches, frame by frame, and not kept', async () => {
    const agent = await (await network.agent('telling')).start();
    await network.createJob({ frames: '7' });
    const lease = await agent.lease();
    const { attemptId } = lease.frames[0] as Lease['frames'][0];
    await agent.heartbeat([lease], { progress: [{ attemptId, phase: 'rendering', fraction: 0.5, elapsedSeconds: 3 }] });
    const event = await until('progress', () => network.progress.find((told) => JSON.stringify(told).includes('0.5')));
    expect(event).toEqual({
      type: 'frames.progress',
      jobId: lease.jobId,
      progress: [{ attemptId, phase: 'rendering', fraction: 0.5, elapsedSeconds: 3, number: 7, workerName: 'telling' }],
    });
  });
});

describe('an inspection', () => {
  it('is looked into by an agent, and its report is kept', async () => {
    const agent = await (await network.agent('looks')).start();
    const snapshotId = await aSnapshot(network.db, network.store);
    const asked = await network.handlers.createInspection({ body: { snapshotId, file: 'scene.blend', bake: false } });
    const task = await agent.inspectTask();
    expect(task).toMatchObject({ inspectionId: asked.inspectionId, snapshotId, file: 'scene.blend' });
    await agent.inspected(task, aReport());
    const { inspectionId } = task;
    expect(await network.handlers.getInspection({ params: { inspectionId } })).toMatchObject({
      status: 'succeeded',
      report: { activeScene: 'Scene' },
    });
  });

  it('goes to another agent where the first one is gone', async () => {
    const lost = await (await network.agent('lost')).start();
    const snapshotId = await aSnapshot(network.db, network.store);
    await network.handlers.createInspection({ body: { snapshotId, file: 'scene.blend', bake: false } });
    const task = await lost.inspectTask();
    await lost.vanish();
    const next = await (await network.agent('next')).start();
    expect((await next.inspectTask()).inspectionId).toBe(task.inspectionId);
    const report = await next.report({
      kind: 'inspection-failed',
      inspectionId: task.inspectionId,
      failure: 'scene-invalid',
      message: 'not a .blend',
    });
    expect(report.outcome).toBe('recorded');
    const { inspectionId } = task;
    expect(await network.handlers.getInspection({ params: { inspectionId } })).toMatchObject({
      status: 'failed',
      failure: expect.stringContaining('not a .blend'),
    });
  });
});
