import type { Capabilities, JobId } from '@pictor/protocol';
import { type LeasePlan, type LiveLease, mayTry } from '../frames/index.ts';
import { fitWorker, type JobRequirements } from '../workers/index.ts';
import { leaseSize } from './lease-size.ts';

/** A job with what is left to lease of it. */
export interface JobDemand {
  jobId: JobId;
  ownerId: string;
  snapshotId: string;
  file: string;
  priority: number;
  requirements: JobRequirements;
  /** Frames to lease. */
  enqueued: number;
  /** Those of them that failed before, by the workers on which they did. */
  retries: readonly { failedOn: readonly string[]; frames: number }[];
  departed: ReadonlySet<string>;
  frameSeconds: number | null;
  framesPerNode: number | null;
  isSequential: boolean;
  playFrom: number | null;
}

/** A connected worker that takes work. */
export interface WorkerSupply {
  workerId: string;
  ownerId: string;
  capabilities: Capabilities;
  warm: readonly { deviceId: string; snapshotId: string; file: string }[];
  cached: ReadonlySet<string>;
}

/** Leases in the hands of one device at most: the one in work and the next, whose files it fetches (SPEC.md L5). */
const LEASES_PER_DEVICE = 2;

interface Device {
  worker: WorkerSupply;
  deviceId: string;
  /** Jobs of the leases that it holds. */
  jobs: JobId[];
}

interface Demand {
  job: JobDemand;
  /** Place in the order of age. */
  age: number;
  left: number;
  /** Build with which each worker renders it. */
  builds: Map<string, { sha256: string; devices: Set<string> }>;
  devices: number;
  /** Devices that hold leases of it. */
  busy: Set<string>;
  leases: number;
}

/**
 * Decides who shall render what: which jobs a device can render, then priority, then a fair share, then where the scene is warm or
 * cached, then age. Pure: the same state gives the same plans. Jobs are given oldest first; devices are filled to two leases.
 */
export function match(
  jobs: readonly JobDemand[],
  workers: readonly WorkerSupply[],
  leases: readonly LiveLease[],
): LeasePlan[] {
  const devices = listDevices(workers, leases);
  const demands = jobs.map((job, age) => toDemand(job, age, workers, leases));
  const plans: LeasePlan[] = [];
  // Every device gets its first lease before any gets its second.
  for (let held = 0; held < LEASES_PER_DEVICE; held++) {
    const free = devices.filter((device) => device.jobs.length === held);
    const open = demands.filter((demand) => demand.left > 0);
    const byStickiness = free
      .map((device) => ({ device, best: Math.min(...open.map((demand) => stickiness(demand, device))) }))
      .sort((a, b) => a.best - b.best);
    for (const { device } of byStickiness) {
      const demand = choose(demands, device, devices.length);
      if (demand) plans.push(take(demand, device));
    }
  }
  return plans;
}

function listDevices(workers: readonly WorkerSupply[], leases: readonly LiveLease[]): Device[] {
  const held = Map.groupBy(leases, (lease) => key(lease.workerId, lease.deviceId));
  return workers.flatMap((worker) =>
    worker.capabilities.devices.map(({ deviceId }) => ({
      worker,
      deviceId,
      jobs: (held.get(key(worker.workerId, deviceId)) ?? []).map((lease) => lease.jobId),
    })),
  );
}

function toDemand(job: JobDemand, age: number, workers: readonly WorkerSupply[], leases: readonly LiveLease[]): Demand {
  const builds: Demand['builds'] = new Map();
  let devices = 0;
  for (const worker of workers) {
    const fit = mayRender(job, worker);
    if (!fit) continue;
    devices += fit.devices.length;
    builds.set(worker.workerId, {
      sha256: fit.build.sha256,
      devices: new Set(fit.devices.map((device) => device.deviceId)),
    });
  }
  const own = leases.filter((lease) => lease.jobId === job.jobId);
  const busy = new Set(own.map((lease) => key(lease.workerId, lease.deviceId)));
  return { job, age, left: job.enqueued, builds, devices, busy, leases: own.length };
}

/** How a worker can render a job; undefined where it cannot, may not, or has left it. Without walls it renders its owner's jobs only. */
export function mayRender(job: Pick<JobDemand, 'requirements' | 'ownerId' | 'departed'>, worker: WorkerSupply) {
  if (job.departed.has(worker.workerId)) return undefined;
  if (worker.capabilities.sandbox === 'none' && worker.ownerId !== job.ownerId) return undefined;
  const fit = fitWorker(job.requirements, worker.capabilities);
  return fit.fits ? fit : undefined;
}

/** 0 where the device has the scene loaded, or will have when its lease is done; 1 where the worker has its files; 2 else. */
function stickiness({ job }: Demand, { worker, deviceId, jobs }: Device): number {
  if (jobs.at(-1) === job.jobId) return 0;
  const isWarm = worker.warm.some(
    (scene) => scene.deviceId === deviceId && scene.snapshotId === job.snapshotId && scene.file === job.file,
  );
  if (isWarm && jobs.length === 0) return 0;
  return worker.cached.has(job.snapshotId) ? 1 : 2;
}

function choose(demands: readonly Demand[], device: Device, allDevices: number): Demand | undefined {
  const open = demands.filter((demand) => canTake(demand, device));
  const share = (priority: number) =>
    Math.floor(allDevices / Math.max(1, demands.filter((demand) => demand.job.priority === priority).length));
  const rank = (demand: Demand) => [
    -demand.job.priority,
    demand.busy.size < share(demand.job.priority) ? 0 : 1,
    stickiness(demand, device),
    demand.busy.size,
    demand.age,
  ];
  return open.map((demand) => ({ demand, rank: rank(demand) })).sort((a, b) => compare(a.rank, b.rank))[0]?.demand;
}

function canTake(demand: Demand, device: Device): boolean {
  const { job, left } = demand;
  const { workerId } = device.worker;
  if (left === 0 || !demand.builds.get(workerId)?.devices.has(device.deviceId)) return false;
  if (job.isSequential && demand.leases > 0) return false;
  const eligible = [...demand.builds.keys()];
  const barred = job.retries
    .filter((retry) => !mayTry(retry.failedOn, workerId, eligible))
    .reduce((sum, retry) => sum + retry.frames, 0);
  if (left - barred <= 0) return false;
  // The last frames of a job go to whoever is free first: in a second lease they would wait behind the first.
  const isHoarding = device.jobs.includes(job.jobId) && demand.devices > 1 && left <= demand.devices;
  return !isHoarding;
}

function take(demand: Demand, device: Device): LeasePlan {
  const { job } = demand;
  const frames = leaseSize({ ...job, framesLeft: demand.left, devices: demand.devices });
  demand.left -= frames;
  demand.leases += 1;
  demand.busy.add(key(device.worker.workerId, device.deviceId));
  device.jobs.push(job.jobId);
  return {
    jobId: job.jobId,
    workerId: device.worker.workerId,
    deviceId: device.deviceId,
    blenderSha256: demand.builds.get(device.worker.workerId)?.sha256 ?? '',
    frames,
    playFrom: job.playFrom,
  };
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

const key = (workerId: string, deviceId: string) => `${workerId} ${deviceId}`;
