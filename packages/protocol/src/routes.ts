import { z } from 'zod';
import { InspectionId, JobId, OutputId, Sha256, SnapshotId, WorkerId } from './ids.ts';
import { Inspection } from './inspections.ts';
import { CreateJob, Frame, Job, Output } from './jobs.ts';
import { ProjectPath, Snapshot, SnapshotManifest } from './snapshots.ts';
import { WorkerConfig } from './worker-config.ts';
import { Worker } from './workers.ts';

/** Who may call a route. A route without one does not start. */
export type Access = 'public' | 'operator' | 'grant';

/** One JSON route: server and client are typed from it, OpenAPI is an output of it. */
export interface Route {
  method: 'GET' | 'POST';
  path: string;
  access: Access;
  summary: string;
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  reply: z.ZodType;
}

const jobParams = z.object({ jobId: JobId });
const workerParams = z.object({ workerId: WorkerId });

/** Every JSON route of the HTTP API. Streams (chunks, outputs, events) are listed in SPEC.md, they carry no JSON. */
export const ROUTES = {
  health: {
    method: 'GET',
    path: '/health',
    access: 'public',
    summary: 'Whether the server answers, and what it is',
    reply: z.object({ status: z.literal('ok'), version: z.string(), workersOnline: z.number().int() }),
  },
  findMissingChunks: {
    method: 'POST',
    path: '/v1/chunks/missing',
    access: 'operator',
    summary: 'Which of these chunks the server does not have',
    body: z.object({ chunks: z.array(Sha256).max(100_000) }),
    reply: z.object({ missing: z.array(Sha256) }),
  },
  createSnapshot: {
    method: 'POST',
    path: '/v1/snapshots',
    access: 'operator',
    summary: 'Commit an immutable snapshot of uploaded files',
    body: SnapshotManifest,
    reply: z.object({ snapshotId: SnapshotId }),
  },
  getSnapshot: {
    method: 'GET',
    path: '/v1/snapshots/:snapshotId',
    access: 'operator',
    summary: 'The files of a snapshot',
    params: z.object({ snapshotId: SnapshotId }),
    reply: Snapshot,
  },
  createInspection: {
    method: 'POST',
    path: '/v1/inspections',
    access: 'operator',
    summary:
      'Have an agent look into a .blend, or bake its simulations first; for the same snapshot and file each is done once',
    body: z.object({ snapshotId: SnapshotId, file: ProjectPath, bake: z.boolean().default(false) }),
    reply: Inspection,
  },
  getInspection: {
    method: 'GET',
    path: '/v1/inspections/:inspectionId',
    access: 'operator',
    summary: 'State and result of an inspection',
    params: z.object({ inspectionId: InspectionId }),
    reply: Inspection,
  },
  createJob: {
    method: 'POST',
    path: '/v1/jobs',
    access: 'operator',
    summary: 'Create a job and start to render it',
    body: CreateJob,
    reply: Job,
  },
  listJobs: {
    method: 'GET',
    path: '/v1/jobs',
    access: 'operator',
    summary: 'All jobs, newest first',
    reply: z.object({ jobs: z.array(Job) }),
  },
  getJob: {
    method: 'GET',
    path: '/v1/jobs/:jobId',
    access: 'operator',
    summary: 'One job',
    params: jobParams,
    reply: Job,
  },
  listFrames: {
    method: 'GET',
    path: '/v1/jobs/:jobId/frames',
    access: 'operator',
    summary: 'The frames of a job with their attempts',
    params: jobParams,
    reply: z.object({ frames: z.array(Frame) }),
  },
  listOutputs: {
    method: 'GET',
    path: '/v1/jobs/:jobId/outputs',
    access: 'operator',
    summary: 'The files of the frames that are done',
    params: jobParams,
    reply: z.object({ outputs: z.array(Output) }),
  },
  pauseJob: {
    method: 'POST',
    path: '/v1/jobs/:jobId/pause',
    access: 'operator',
    summary: 'Lease no more frames',
    params: jobParams,
    reply: Job,
  },
  resumeJob: {
    method: 'POST',
    path: '/v1/jobs/:jobId/resume',
    access: 'operator',
    summary: 'Go on',
    params: jobParams,
    reply: Job,
  },
  cancelJob: {
    method: 'POST',
    path: '/v1/jobs/:jobId/cancel',
    access: 'operator',
    summary: 'Stop for good',
    params: jobParams,
    reply: Job,
  },
  retryJob: {
    method: 'POST',
    path: '/v1/jobs/:jobId/retry',
    access: 'operator',
    summary: 'Enqueue the failed frames again',
    params: jobParams,
    reply: Job,
  },
  createWorker: {
    method: 'POST',
    path: '/v1/workers',
    access: 'operator',
    summary: 'Register a worker; the reply is its worker-config.json, shown once',
    body: z.object({ name: z.string().min(1).max(100) }),
    reply: WorkerConfig,
  },
  listWorkers: {
    method: 'GET',
    path: '/v1/workers',
    access: 'operator',
    summary: 'All workers with status and capabilities',
    reply: z.object({ workers: z.array(Worker) }),
  },
  drainWorker: {
    method: 'POST',
    path: '/v1/workers/:workerId/drain',
    access: 'operator',
    summary: 'Finish what is leased, take no more',
    params: workerParams,
    reply: Worker,
  },
  resumeWorker: {
    method: 'POST',
    path: '/v1/workers/:workerId/resume',
    access: 'operator',
    summary: 'Take work again',
    params: workerParams,
    reply: Worker,
  },
  revokeWorker: {
    method: 'POST',
    path: '/v1/workers/:workerId/revoke',
    access: 'operator',
    summary: 'Refuse its key from now on',
    params: workerParams,
    reply: Worker,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;

type Part<Name extends RouteName, Key extends 'params' | 'query' | 'body'> = (typeof ROUTES)[Name] extends {
  [K in Key]: infer Schema extends z.ZodType;
}
  ? Schema
  : never;
type Parts<Name extends RouteName> = {
  [Key in 'params' | 'query' | 'body' as Part<Name, Key> extends never ? never : Key]: Part<Name, Key>;
};

/** What a client sends to a route: `params`, `query` and `body`, those that it has. */
export type RouteInput<Name extends RouteName> = { [Key in keyof Parts<Name>]: z.input<Parts<Name>[Key]> };
/** The same as the server gets it: checked, with defaults filled in. */
export type RouteRequest<Name extends RouteName> = { [Key in keyof Parts<Name>]: z.output<Parts<Name>[Key]> };
/** What a client gets. */
export type RouteReply<Name extends RouteName> = z.output<(typeof ROUTES)[Name]['reply']>;

/** What a room of the server gives for each of its routes. The reply is checked on its way out. */
export type RouteHandlers<Name extends RouteName = RouteName> = {
  [N in Name]: (request: RouteRequest<N>) => Promise<z.input<(typeof ROUTES)[N]['reply']>>;
};

export const OutputParams = z.object({ outputId: OutputId });
export const ErrorReply = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.record(z.string(), z.unknown()),
    requestId: z.string(),
  }),
});
