import type { AttemptStatus, FrameStatus, Lease } from '@pictor/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Tx, withTransaction } from '../db/index.ts';
import { BLENDER_SHA256, type FakeAgent } from '../testing/fake-agent.ts';
import { startTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { startTestNetwork, type TestNetwork } from '../testing/test-network.ts';
import { deliverFrame } from './deliver-frame.ts';
import { endJobLeases, expireLeases, releaseLease } from './end-leases.ts';
import { failAttempt } from './fail-attempt.ts';
import { ATTEMPT_TRANSITIONS, FRAME_TRANSITIONS } from './frame-transitions.ts';
import { acceptFrames, refuteFrame, succeedFrames } from './judge-frames.ts';
import { leaseFrames } from './lease-frames.ts';
import { retryFrames } from './retry-frames.ts';

let database: TestDatabase;
let network: TestNetwork;
let agent: FakeAgent;
let lease: Lease;
beforeAll(async () => {
  database = await startTestDatabase();
  network = await startTestNetwork(database);
  agent = await (await network.agent('walker')).start();
  await network.createJob({ frames: '1' });
  lease = await agent.lease();
  // Stopped, so that nothing but the test touches the frame.
  await network.stop();
});
afterAll(async () => {
  expect(network.problems).toEqual([]);
  await database.stop();
});

/** What each transition does to a frame and to its attempt, where both are as it wants them. */
interface Arrow {
  name: string;
  frame: FrameStatus;
  attempt: AttemptStatus | null;
  run(tx: Tx): Promise<unknown>;
}

const frame = () => lease.frames[0] as Lease['frames'][0];
const workerId = () => agent.config.workerId;
const ids = () => ({ frameId: frame().frameId, attemptId: frame().attemptId });
const failure = (kind: 'blender-crashed' | 'scene-invalid') => ({
  ...{ kind: 'frame-failed' as const, leaseId: lease.leaseId, token: lease.token, attemptId: frame().attemptId },
  ...{ failure: kind, message: '', log: '' },
});
const delivery = () => {
  const output = { kind: 'picture' as const, path: '0001.png', sizeBytes: 1, sha256: '0'.repeat(64) };
  const chunks = [BLENDER_SHA256];
  return agent.deliveryOf(lease, frame(), [{ ...output, chunks, pixelSha256: '0'.repeat(64), width: 64, height: 36 }]);
};
const plan = () => ({
  ...{ jobId: lease.jobId, workerId: workerId(), deviceId: 'gpu', blenderSha256: BLENDER_SHA256 },
  ...{ frames: 1, playFrom: null },
});

const ARROWS: Arrow[] = [
  {
    name: 'lease',
    frame: 'processing',
    attempt: null,
    run: (tx) => leaseFrames(tx, [plan()], { rules: new Map(), term: 1 }),
  },
  {
    name: 'deliver',
    frame: 'verifying',
    attempt: 'delivered',
    run: (tx) => deliverFrame(tx, workerId(), delivery()),
  },
  {
    name: 'fail, to be tried again',
    frame: 'enqueued',
    attempt: 'failed',
    run: (tx) => failAttempt(tx, workerId(), failure('blender-crashed')),
  },
  {
    name: 'fail for good',
    frame: 'failed',
    attempt: 'failed',
    run: (tx) => failAttempt(tx, workerId(), failure('scene-invalid')),
  },
  {
    name: 'expire',
    frame: 'enqueued',
    attempt: 'expired',
    async run(tx) {
      await sql`update leases set expires_at = now() where ended_at is null`.execute(tx);
      return expireLeases(tx);
    },
  },
  {
    name: 'release',
    frame: 'enqueued',
    attempt: 'abandoned',
    run: (tx) => releaseLease(tx, { workerId: workerId(), leaseId: lease.leaseId, token: lease.token }, 'a test'),
  },
  { name: 'cancel', frame: 'enqueued', attempt: 'abandoned', run: (tx) => endJobLeases(tx, lease.jobId, 'a test') },
  {
    name: 'succeed',
    frame: 'succeeded',
    attempt: 'verified',
    run: (tx) => succeedFrames(tx, [{ ...ids(), proof: 'proven' }]),
  },
  {
    name: 'refute',
    frame: 'enqueued',
    attempt: 'refuted',
    run: (tx) => refuteFrame(tx, { ...ids(), message: 'a test' }),
  },
  { name: 'accept', frame: 'accepted', attempt: null, run: (tx) => acceptFrames(tx, [frame().frameId]) },
  { name: 'retry', frame: 'enqueued', attempt: null, run: (tx) => retryFrames(tx, lease.jobId) },
];
/** Transitions that are made from this status of a frame and of its attempt, by name. */
const EXPECTED: Partial<Record<FrameStatus, { attempt: AttemptStatus; arrows: string[] }>> = {
  enqueued: { attempt: 'abandoned', arrows: ['lease'] },
  processing: {
    attempt: 'processing',
    arrows: ['deliver', 'fail, to be tried again', 'fail for good', 'expire', 'release', 'cancel'],
  },
  verifying: { attempt: 'delivered', arrows: ['succeed', 'refute'] },
  succeeded: { attempt: 'verified', arrows: ['accept'] },
  accepted: { attempt: 'verified', arrows: [] },
  failed: { attempt: 'failed', arrows: ['retry'] },
  'rerender-requested': { attempt: 'verified', arrows: [] },
};

const UNDO = new Error('undo');

/** Sets both statuses, runs a transition, and says what became of them; nothing is kept. */
async function outcome(arrow: Arrow, from: FrameStatus, attemptFrom: AttemptStatus) {
  let after: { frame: FrameStatus; attempt: AttemptStatus; events: number } | undefined;
  await withTransaction(network.db, async (tx) => {
    await sql`update frames set status = ${from} where frame_id = ${frame().frameId}`.execute(tx);
    await sql`update attempts set status = ${attemptFrom} where attempt_id = ${frame().attemptId}`.execute(tx);
    await sql`
      update leases set ended_at = null, end_reason = null, expires_at = now() + interval '1 hour'
      where lease_id = ${lease.leaseId}`.execute(tx);
    await sql`update jobs set status = 'rendering' where job_id = ${lease.jobId}`.execute(tx);
    await sql`delete from outbox`.execute(tx);
    await arrow.run(tx);
    const { rows } = await sql<NonNullable<typeof after>>`
      select f.status as frame, a.status as attempt,
        (select count(*) from outbox where topic = 'frames.changed') as events
      from frames f join attempts a using (frame_id)
      where a.attempt_id = ${frame().attemptId}`.execute(tx);
    after = rows[0];
    throw UNDO;
  }).catch((error) => {
    if (error !== UNDO) throw error;
  });
  return after;
}

describe('every transition of a frame', () => {
  const statuses = Object.keys(FRAME_TRANSITIONS) as FrameStatus[];
  for (const arrow of ARROWS) {
    it(`${arrow.name}: is made from where the table has an arrow, with an event, and from nowhere else`, async () => {
      for (const from of statuses) {
        for (const attemptFrom of Object.keys(ATTEMPT_TRANSITIONS) as AttemptStatus[]) {
          const isMade = Boolean(
            EXPECTED[from]?.arrows.includes(arrow.name) &&
              (arrow.attempt === null || EXPECTED[from]?.attempt === attemptFrom),
          );
          // An acceptance needs the attempt that won, to name its worker.
          if (arrow.name === 'accept' && attemptFrom !== 'verified') continue;
          expect({ from, attemptFrom, ...(await outcome(arrow, from, attemptFrom)) }).toEqual({
            from,
            attemptFrom,
            frame: isMade ? arrow.frame : from,
            // A lease or an attempt that ends leaves its mark on the attempt even where the frame has gone on without it.
            attempt: expect.stringMatching(isMade && arrow.attempt ? arrow.attempt : /./),
            events: isMade ? 1 : 0,
          });
          if (!isMade) continue;
          expect(FRAME_TRANSITIONS[from]).toContain(arrow.frame);
          if (arrow.attempt) expect(ATTEMPT_TRANSITIONS[attemptFrom]).toContain(arrow.attempt);
        }
      }
    });
  }

  it('is named in the table of the test', () => {
    const named = Object.values(EXPECTED).flatMap((expected) => expected.arrows);
    expect(named.toSorted()).toEqual(ARROWS.map((arrow) => arrow.name).toSorted());
  });
});
