import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type CreateJob,
  type InspectionId,
  type InspectionReport,
  type Job,
  type JobEvent,
  type JobId,
  type RouteHandlers,
  type SnapshotId,
  WorkerConfig,
  type WorkerId,
} from '@pictor/protocol';
import { sql } from 'kysely';
import { createFolderStore, createSnapshot, type ObjectStore } from '../assets/index.ts';
import { startChecks } from '../checks/index.ts';
import { type Db, jsonb } from '../db/index.ts';
import { attachGateway } from '../gateway/index.ts';
import { createGrants, newId } from '../identity/index.ts';
import { inspectionHandlers } from '../inspections/index.ts';
import { jobHandlers } from '../jobs/index.ts';
import { startScheduler } from '../scheduler/index.ts';
import { Presence, workerHandlers } from '../workers/index.ts';
import { type AgentKey, FakeAgent } from './fake-agent.ts';
import { fileOf, sha256 } from './test-app.ts';
import type { TestDatabase } from './test-database.ts';

const OWNER_ID = 'operator';

/** The dispatch side of a server: agents' door, scheduler and checks on a real database, with the routes of jobs and workers. */
export interface TestNetwork {
  db: Db;
  url: string;
  store: ObjectStore;
  presence: Presence;
  /** What was broadcast. */
  progress: JobEvent[];
  /** What went wrong. */
  problems: string[];
  handlers: Pick<
    RouteHandlers,
    | keyof ReturnType<typeof jobHandlers>
    | keyof ReturnType<typeof workerHandlers>
    | 'createInspection'
    | 'getInspection'
  >;
  wake(): void;
  /** Registers a worker and makes an agent for it, not connected yet. */
  agent(name: string, options?: { key?: AgentKey }): Promise<FakeAgent>;
  /** A job of a scene that was inspected. */
  createJob(overrides?: Partial<CreateJob>, report?: InspectionReport): Promise<Job>;
  job(jobId: JobId): Promise<Job>;
  /** Cancels what is open and forgets all workers, so that a test finds a network of its own. */
  clear(): Promise<void>;
  /** Closes the server and opens it again on the same database, at the same address. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestNetwork(database: TestDatabase): Promise<TestNetwork> {
  const { db } = database;
  const directory = await mkdtemp(path.join(tmpdir(), 'pictor-test-'));
  const store = await createFolderStore(path.join(directory, 'store'));
  const grants = await createGrants(directory);
  const progress: JobEvent[] = [];
  const problems: string[] = [];
  const log = (message: string) => problems.push(message);
  let running = await start(0);

  async function start(port: number) {
    const presence = new Presence();
    const scheduler = startScheduler({ db, presence, grants, log });
    const checks = startChecks({ db, store, presence, onSettled: () => scheduler.wake(), log });
    const server = createServer((_, response) => response.writeHead(404).end());
    const feed = { broadcast: (event: JobEvent) => progress.push(event) };
    const gateway = await attachGateway(server, { db, store, grants, presence, feed, scheduler, checks, log });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const deps = { db, ownerId: OWNER_ID, presence, onChanged: scheduler.wake, onEnqueued: scheduler.wake };
    const handlers = {
      ...jobHandlers(deps),
      ...workerHandlers({ ...deps, serverUrl: () => url }),
      ...inspectionHandlers(deps),
    };
    const stop = async () => {
      await gateway.close();
      await checks.close();
      await scheduler.close();
      await new Promise((resolve) => server.close(resolve));
    };
    return { presence, scheduler, url, handlers, stop };
  }

  return {
    db,
    store,
    progress,
    problems,
    get url() {
      return running.url;
    },
    get presence() {
      return running.presence;
    },
    get handlers() {
      return running.handlers;
    },
    wake: () => running.scheduler.wake(),
    async agent(name, options) {
      const config = WorkerConfig.parse(await running.handlers.createWorker({ body: { name } }));
      return new FakeAgent(config, store, options);
    },
    async createJob(overrides = {}, report = aReport()) {
      const { snapshotId, inspectionId } = await anInspectedSnapshot(db, store, report);
      const job = await running.handlers.createJob({
        body: {
          name: 'a job',
          comment: '',
          snapshotId,
          inspectionId,
          settings: { file: 'scene.blend', allowMissing: false },
          timeouts: {},
          memoryLimitBytes: null,
          sequential: false,
          ...(overrides as object),
        },
      });
      return job as Job;
    },
    job: async (jobId) => (await running.handlers.getJob({ params: { jobId } })) as Job,
    async clear() {
      const { rows } = await sql<{ jobId: JobId }>`
        select job_id as "jobId" from jobs where status in ('rendering', 'paused')`.execute(db);
      for (const { jobId } of rows) await running.handlers.cancelJob({ params: { jobId } });
      const { workers } = await running.handlers.listWorkers({});
      for (const { workerId } of workers) {
        await running.handlers.revokeWorker({ params: { workerId: workerId as WorkerId } });
      }
    },
    async restart() {
      const port = Number(new URL(running.url).port);
      await running.stop();
      running = await start(port);
    },
    async stop() {
      await running.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A snapshot of one file of its own, inspected with this result. No agent is asked. */
export async function anInspectedSnapshot(
  db: Db,
  store: ObjectStore,
  report: InspectionReport,
): Promise<{ snapshotId: SnapshotId; inspectionId: InspectionId }> {
  const snapshotId = await aSnapshot(db, store);
  const inspectionId = newId('ins');
  await sql`
    insert into inspections (inspection_id, snapshot_id, file, owner_id, status, report)
    values (${inspectionId}, ${snapshotId}, 'scene.blend', ${OWNER_ID}, 'succeeded', ${jsonb(report)})`.execute(db);
  return { snapshotId, inspectionId };
}

/** A snapshot of one file whose content is its own. */
export async function aSnapshot(db: Db, store: ObjectStore): Promise<SnapshotId> {
  const bytes = Buffer.from(`BLENDER ${crypto.randomUUID()}`);
  await store.writeChunk(
    sha256(bytes),
    (async function* () {
      yield bytes;
    })(),
  );
  return createSnapshot(db, store, { files: [fileOf('scene.blend', bytes)], remaps: [] }, OWNER_ID);
}

/** What an inspection says of a small scene with one camera and frames 1 to 4. */
export function aReport(
  scene: Partial<InspectionReport['scenes'][number]> = {},
  report: Partial<InspectionReport> = {},
): InspectionReport {
  return {
    savedWith: '3.4',
    inspectedWith: '3.4.1',
    activeScene: 'Scene',
    scenes: [
      {
        name: 'Scene',
        cameras: ['Camera', 'Other'],
        camera: 'Camera',
        hasMarkerCamera: false,
        frameStart: 1,
        frameEnd: 4,
        frameStep: 1,
        frameCurrent: 1,
        fps: 24,
        engine: 'CYCLES',
        resolutionX: 64,
        resolutionY: 36,
        resolutionPercent: 100,
        samples: 4,
        timeLimitSeconds: 0,
        format: 'PNG',
        depth: '8',
        isMovie: false,
        usesDenoiser: false,
        denoiser: null,
        usesCompositor: false,
        usesSequencer: false,
        fileOutputNodes: [],
        views: [],
        stereoFormat: null,
        viewLayers: [{ name: 'ViewLayer', enabled: true, denoises: true }],
        usesMotionBlur: false,
        usesHair: false,
        usesFreestyle: false,
        historyDependences: [],
        ...scene,
      },
    ],
    references: [],
    scripts: [],
    ...report,
  };
}

/** Waits until `check` gives something, at most 20 s. */
export async function until<T>(
  what: string,
  check: () => Promise<T | false | undefined> | T | false | undefined,
): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`it did not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
