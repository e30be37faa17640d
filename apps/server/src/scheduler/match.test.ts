import type { BlenderBuild, JobId } from '@pictor/protocol';
import { describe, expect, it } from 'vitest';
import type { LiveLease } from '../frames/index.ts';
import { someCapabilities } from '../testing/fake-agent.ts';
import { type JobDemand, match, type WorkerSupply } from './match.ts';

const aJob = (name: string, overrides: Partial<JobDemand> = {}): JobDemand => ({
  jobId: name as JobId,
  ownerId: 'operator',
  snapshotId: `snapshot of ${name}`,
  file: 'scene.blend',
  priority: 50,
  requirements: { engine: 'CYCLES', device: null, denoisers: [], savedWith: '3.4', blenderVersion: '3.4.1' },
  enqueued: 100,
  retries: [],
  departed: new Set(),
  frameSeconds: 30,
  framesPerNode: null,
  isSequential: false,
  playFrom: null,
  ...overrides,
});

const aWorker = (workerId: string, overrides: Partial<WorkerSupply> = {}): WorkerSupply => ({
  workerId,
  ownerId: 'operator',
  capabilities: someCapabilities(),
  warm: [],
  cached: new Set(),
  ...overrides,
});

const aLease = (workerId: string, jobId: string): LiveLease => ({
  leaseId: 'lease' as LiveLease['leaseId'],
  jobId: jobId as JobId,
  workerId,
  deviceId: 'cpu',
});

const who = (plans: ReturnType<typeof match>) =>
  plans.map(({ workerId, jobId, frames }) => `${workerId} ${jobId} ${frames}`);

describe(match.name, () => {
  it('gives every device its first lease before any gets its second', () => {
    const plans = match([aJob('job')], [aWorker('a'), aWorker('b')], []);
    expect(who(plans)).toEqual(['a job 3', 'b job 3', 'a job 3', 'b job 3']);
    expect(match([aJob('job')], [aWorker('a')], [aLease('a', 'job'), aLease('a', 'job')])).toEqual([]);
  });

  it('gives nothing to workers that lack what the job needs, left it, or have no walls and another owner', () => {
    const requirements = { ...aJob('job').requirements, engine: 'EEVEE' as const };
    const bare = someCapabilities({
      builds: [{ ...(someCapabilities().builds[0] as BlenderBuild), engines: ['CYCLES'] }],
    });
    expect(match([aJob('job', { requirements })], [aWorker('a', { capabilities: bare })], [])).toEqual([]);
    expect(match([aJob('job', { departed: new Set(['a']) })], [aWorker('a')], [])).toEqual([]);
    const open = aWorker('a', { capabilities: someCapabilities({ sandbox: 'none' }) });
    expect(match([aJob('job', { ownerId: 'somebody' })], [open], [])).toEqual([]);
    expect(match([aJob('job')], [open], [])).not.toEqual([]);
    const version = { ...aJob('job').requirements, blenderVersion: '4.2.0' };
    expect(match([aJob('job', { requirements: version })], [aWorker('a')], [])).toEqual([]);
  });

  it('prefers a warm scene to cached files, and cached files to none', () => {
    const jobs = [aJob('cold'), aJob('cached'), aJob('warm')];
    const cached = new Set(['snapshot of cached']);
    const warm = [{ deviceId: 'cpu', snapshotId: 'snapshot of warm', file: 'scene.blend' }];
    expect(match(jobs, [aWorker('a', { warm, cached })], [])[0]?.jobId).toBe('warm');
    expect(match(jobs, [aWorker('a', { cached })], [])[0]?.jobId).toBe('cached');
    expect(match(jobs, [aWorker('a')], [])[0]?.jobId).toBe('cold');
  });

  it('gives the last frame to the device that has the scene warm', () => {
    const warm = [{ deviceId: 'cpu', snapshotId: 'snapshot of job', file: 'scene.blend' }];
    const plans = match([aJob('job', { enqueued: 1 })], [aWorker('a'), aWorker('b', { warm })], []);
    expect(who(plans)).toEqual(['b job 1']);
  });

  it('puts priority before warmth, and a share for each job before both stay', () => {
    const warm = [{ deviceId: 'cpu', snapshotId: 'snapshot of old', file: 'scene.blend' }];
    const urgent = [aJob('old'), aJob('urgent', { priority: 80 })];
    expect(match(urgent, [aWorker('a', { warm })], [])[0]?.jobId).toBe('urgent');
    const workers = [aWorker('a', { warm }), aWorker('b', { warm })];
    const plans = match([aJob('old'), aJob('young')], workers, []);
    expect(new Set(plans.slice(0, 2).map((plan) => plan.jobId))).toEqual(new Set(['old', 'young']));
  });

  it('does not hoard the last frames in second leases', () => {
    const workers = [aWorker('a'), aWorker('b')];
    const leases = [aLease('a', 'job'), aLease('b', 'job')];
    expect(match([aJob('job', { enqueued: 2 })], workers, leases)).toEqual([]);
    expect(who(match([aJob('job', { enqueued: 2 })], workers, leases.slice(0, 1)))).toEqual(['b job 1']);
    // Alone it can hoard nothing from anybody.
    expect(who(match([aJob('job', { enqueued: 1 })], [aWorker('a')], leases.slice(0, 1)))).toEqual(['a job 1']);
  });

  it('fetches the next job’s files while the last one is in work', () => {
    const plans = match(
      [aJob('next', { enqueued: 1 })],
      [aWorker('a'), aWorker('b')],
      [aLease('a', 'other'), aLease('b', 'other')],
    );
    expect(who(plans)).toEqual(['a next 1']);
  });

  it('leases a sequence once and whole', () => {
    const job = aJob('job', { isSequential: true, playFrom: 1 });
    expect(match([job], [aWorker('a'), aWorker('b')], [])).toMatchObject([{ workerId: 'a', frames: 100, playFrom: 1 }]);
    expect(match([job], [aWorker('a'), aWorker('b')], [aLease('b', 'job')])).toEqual([]);
  });

  it('keeps a frame from the worker on which it failed, while another can render it', () => {
    const job = aJob('job', { enqueued: 1, retries: [{ failedOn: ['a'], frames: 1 }] });
    expect(who(match([job], [aWorker('a'), aWorker('b')], []))).toEqual(['b job 1']);
    expect(who(match([job], [aWorker('a'), aWorker('b')], [aLease('b', 'x'), aLease('b', 'x')]))).toEqual([]);
    expect(who(match([job], [aWorker('a')], []))).toEqual(['a job 1']);
    const both = aJob('job', { enqueued: 1, retries: [{ failedOn: ['a', 'b'], frames: 1 }] });
    expect(who(match([both], [aWorker('a'), aWorker('b')], []))).toEqual(['a job 1']);
  });
});
