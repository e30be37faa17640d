import { randomUUID } from 'node:crypto';
import { MAX_JOB_FRAMES } from '@pictor/protocol';
import { type Db, withTransaction } from '../db/index.ts';
import {
  countEnqueued,
  expireLeases,
  type LiveLease,
  leaseFrames,
  listLeasesOfWorker,
  listLiveLeases,
  listRetries,
  measureFrameSeconds,
  prolongLeases,
  type WrittenLease,
} from '../frames/index.ts';
import type { Grants } from '../identity/index.ts';
import { endFinishedJobs, listJobsForLeases, listOpenJobs, type OpenJob } from '../jobs/index.ts';
import { type ConnectedWorker, type Presence, tellStopped } from '../workers/index.ts';
import { dispatchInspections, returnLostInspections } from './dispatch-inspections.ts';
import { failAbandonedJobs } from './fail-abandoned-jobs.ts';
import { WorkerStatusKeeper } from './keep-worker-statuses.ts';
import { holdLeadership, isLeading, resignLeadership, type Term } from './leadership.ts';
import { type JobDemand, match, mayRender, type WorkerSupply } from './match.ts';
import { Manifests, pushLeases } from './push-leases.ts';

/** Gives work to connected agents, one process at a time. */
export interface Scheduler {
  /** There may be something to do: a job, a report, a worker that came or left. */
  wake(): void;
  /** Makes known again what a worker holds that came back, so that its progress can be told. */
  recall(worker: ConnectedWorker): Promise<unknown>;
  /** Ends when what is under way is done; the role is given up. */
  close(): Promise<void>;
}

export interface SchedulerDeps {
  db: Db;
  presence: Presence;
  grants: Grants;
  log: (message: string) => void;
}

const SWEEP_MS = 1000;
/** Counting stops here: more make no difference to any lease but a sequential one, which holds them all. */
const COUNTED_FRAMES = 10_000;

/** Starts scheduling: at once on each `wake`, and every second for leases whose time is over. */
export function startScheduler(deps: SchedulerDeps): Scheduler {
  const scheduler = new Passes(deps);
  let isDue = false;
  let isSweepDue = true;
  let running: Promise<void> | null = null;
  let isClosed = false;

  const run = async () => {
    while (isDue || isSweepDue) {
      const isSweep = isSweepDue;
      isDue = false;
      isSweepDue = false;
      if (isSweep) await scheduler.sweep();
      await scheduler.pass();
    }
  };
  const start = () => {
    if (running || isClosed) return;
    running = run()
      .catch((error) => deps.log(`scheduling failed: ${error.stack ?? error.message}`))
      .finally(() => {
        running = null;
        if (isDue && !isClosed) setImmediate(start);
      });
  };
  const timer = setInterval(() => {
    isSweepDue = true;
    start();
  }, SWEEP_MS);
  start();
  return {
    wake() {
      isDue = true;
      start();
    },
    recall: (worker) => scheduler.recall(worker),
    async close() {
      isClosed = true;
      clearInterval(timer);
      await running;
      await scheduler.close();
    },
  };
}

class Passes {
  readonly #deps: SchedulerDeps;
  readonly #holder = randomUUID();
  readonly #manifests: Manifests;
  readonly #statuses: WorkerStatusKeeper;
  #term: Term | null = null;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#manifests = new Manifests(deps.db);
    this.#statuses = new WorkerStatusKeeper(deps.db, deps.presence);
  }

  /** What the clock brings: the role, leases whose time is over, jobs and inspections that nobody else would notice. */
  async sweep(): Promise<void> {
    const { db, presence } = this.#deps;
    const term = await holdLeadership(db, this.#holder);
    if (term && term.term !== this.#term?.term) await prolongLeases(db);
    this.#term = term;
    if (!term) return;
    tellStopped(presence, await withTransaction(db, expireLeases), 'the lease has expired');
    await this.#sendUnknown();
    await returnLostInspections(db, presence);
    await endFinishedJobs(db, null);
  }

  /** Looks at everything there is to do, and gives it out. */
  async pass(): Promise<void> {
    const leases = await listLiveLeases(this.#deps.db);
    if (this.#term) await this.#lease(this.#term, leases);
    const leased = new Set(leases.map((lease) => lease.workerId));
    await this.#statuses.update(leased);
    if (this.#term) await dispatchInspections({ ...this.#deps, manifests: this.#manifests }, leased);
  }

  async recall(worker: ConnectedWorker): Promise<WrittenLease[]> {
    const leases = await listLeasesOfWorker(this.#deps.db, worker.workerId);
    for (const { jobId, frames } of leases) {
      for (const { attemptId, number } of frames) worker.attempts.set(attemptId, { jobId, number });
    }
    return leases;
  }

  /**
   * Sends leases to workers that hold them and do not know it: their agent was started anew, or this process lost the database between
   * writing and sending. An agent that comes back first gives back what it held, so its second heartbeat tells what it does not know of.
   */
  async #sendUnknown(): Promise<void> {
    const { db, presence } = this.#deps;
    const unknown = (await listLiveLeases(db)).filter(({ leaseId, workerId }) => {
      const worker = presence.get(workerId);
      return worker && worker.heartbeats > 1 && !worker.namedLeases.has(leaseId) && !worker.pushedLeases.has(leaseId);
    });
    if (unknown.length === 0) return;
    const jobs = await listJobsForLeases(db, [...new Set(unknown.map((lease) => lease.jobId))]);
    for (const workerId of new Set(unknown.map((lease) => lease.workerId))) {
      const worker = presence.get(workerId);
      const leases = worker ? await this.recall(worker) : [];
      const wanted = leases.filter((lease) => unknown.some(({ leaseId }) => leaseId === lease.leaseId));
      await this.#push(wanted, jobs);
    }
  }

  #push(leases: readonly WrittenLease[], jobs: readonly OpenJob[]): Promise<void> {
    const byId = new Map(jobs.map((job) => [job.jobId as string, job]));
    return pushLeases({ ...this.#deps, manifests: this.#manifests }, leases, byId);
  }

  async #lease(term: Term, leases: LiveLease[]): Promise<void> {
    const { db, presence } = this.#deps;
    const jobs = await listOpenJobs(db);
    this.#manifests.keepOnly(new Set(jobs.map((job) => job.snapshotId)));
    if (jobs.length === 0) return;
    const failed = await failAbandonedJobs(db, jobs, leases);
    const open = jobs.filter((job) => !failed.includes(job.jobId));
    const demands = await this.#readDemands(open);
    const done = demands.filter((demand) => demand.enqueued === 0).map((demand) => demand.jobId);
    const idle = done.filter((jobId) => !leases.some((lease) => lease.jobId === jobId));
    if (idle.length > 0) await endFinishedJobs(db, idle);

    const workers = presence.list().flatMap(toSupply);
    const plans = match(demands, workers, leases);
    if (plans.length === 0) return;
    const rules = new Map(
      demands.map((demand) => [
        demand.jobId,
        {
          eligibleWorkers: workers.filter((worker) => mayRender(demand, worker)).map((worker) => worker.workerId),
          retries: demand.retries.reduce((sum, retry) => sum + retry.frames, 0),
        },
      ]),
    );
    const written = await withTransaction(db, async (tx) =>
      (await isLeading(tx, term)) ? leaseFrames(tx, plans, { rules, term: term.term }) : [],
    );
    leases.push(...written);
    await this.#push(written, open);
  }

  async #readDemands(jobs: readonly OpenJob[]): Promise<JobDemand[]> {
    const { db } = this.#deps;
    const jobIds = jobs.map((job) => job.jobId);
    const [enqueued, retries, seconds] = await Promise.all([
      countEnqueued(db, jobIds, jobs.some((job) => job.isSequential) ? MAX_JOB_FRAMES : COUNTED_FRAMES),
      listRetries(db, jobIds),
      measureFrameSeconds(db, jobIds),
    ]);
    return jobs.map((job) => ({
      ...job,
      file: job.settings.file,
      enqueued: enqueued.get(job.jobId) ?? 0,
      retries: retries.filter((retry) => retry.jobId === job.jobId),
      departed: new Set(job.departures.map((departure) => departure.workerId)),
      frameSeconds: seconds.get(job.jobId) ?? null,
    }));
  }

  async close(): Promise<void> {
    await this.#statuses.update(new Set());
    if (this.#term) await resignLeadership(this.#deps.db, this.#term);
  }
}

function toSupply(worker: ConnectedWorker): WorkerSupply[] {
  const { capabilities, isDrained, isDraining } = worker;
  if (capabilities === null || isDrained || isDraining) return [];
  return [{ ...worker, capabilities }];
}
