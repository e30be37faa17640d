import { z } from 'zod';
import { FrameProgress } from './agent-messages.ts';
import { AttemptId, FrameId, InspectionId, JobId, OutputId, Sha256, SnapshotId, WorkerId } from './ids.ts';
import { RenderSettings, Timeouts } from './render-settings.ts';
import { AttemptStatus, FrameStatus, JobStatus, WorkerStatus } from './statuses.ts';

/** Most frames one job may have. */
export const MAX_JOB_FRAMES = 100_000;

export const CreateJob = z.object({
  name: z.string().min(1).max(200),
  comment: z.string().max(2000).default(''),
  snapshotId: SnapshotId,
  inspectionId: InspectionId,
  settings: RenderSettings,
  /** `1-250`, `1-250x2`, `1,5,9-20`; as @pictor/frames reads it. Absent: the scene's own range and step. */
  frames: z.string().max(10_000).optional(),
  /** Frames a lease holds; absent: by measured frame times. */
  framesPerNode: z.number().int().min(1).max(10_000).optional(),
  timeouts: Timeouts.default({}),
  memoryLimitBytes: z.number().int().positive().nullable().default(null),
  /** One worker renders all frames in order from the scene's first (history-dependent scenes). */
  sequential: z.boolean().default(false),
  /** Sent twice with the same key, the job is made once. */
  idempotencyKey: z.string().min(8).max(100).optional(),
});
export type CreateJob = z.input<typeof CreateJob>;

export const FrameCounts = z.record(FrameStatus, z.number().int());

export const Job = z.object({
  jobId: JobId,
  name: z.string(),
  comment: z.string(),
  status: JobStatus,
  /** Why it is paused or failed, for people. */
  statusReason: z.string().nullable(),
  snapshotId: SnapshotId,
  settings: RenderSettings,
  frames: z.string(),
  frameCount: z.number().int(),
  counts: FrameCounts,
  framesPerMinute: z.number().nullable(),
  /** Expected seconds until the last frame; null while unknown. */
  secondsLeft: z.number().nullable(),
  createdAt: z.string(),
  endedAt: z.string().nullable(),
});
export type Job = z.infer<typeof Job>;

export const Output = z.object({
  outputId: OutputId,
  frameNumber: z.number().int(),
  kind: z.enum(['picture', 'file-output']),
  path: z.string(),
  sizeBytes: z.number().int(),
  sha256: Sha256,
  pixelSha256: Sha256,
  width: z.number().int(),
  height: z.number().int(),
});
export type Output = z.infer<typeof Output>;

export const Attempt = z.object({
  attemptId: AttemptId,
  status: AttemptStatus,
  workerId: WorkerId,
  workerName: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  renderSeconds: z.number().nullable(),
  failure: z.string().nullable(),
  message: z.string().nullable(),
});
export type Attempt = z.infer<typeof Attempt>;

export const Frame = z.object({
  frameId: FrameId,
  number: z.number().int(),
  status: FrameStatus,
  /** `proven`, or `unproven: reason`, once succeeded. */
  proof: z.string().nullable(),
  failure: z.string().nullable(),
  attempts: z.array(Attempt),
});
export type Frame = z.infer<typeof Frame>;

/** What a job's stream of events carries (server-sent events; `id` is the cursor for Last-Event-ID). */
export const JobEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('job.changed'), jobId: JobId, status: JobStatus, reason: z.string().nullable() }),
  z.object({
    type: z.literal('frames.changed'),
    jobId: JobId,
    frames: z.array(
      z.object({
        frameId: FrameId,
        number: z.number().int(),
        status: FrameStatus,
        workerName: z.string().nullable(),
        renderSeconds: z.number().nullable(),
        message: z.string().nullable(),
      }),
    ),
  }),
  z.object({
    type: z.literal('frame.alert'),
    jobId: JobId,
    frameId: FrameId,
    number: z.number().int(),
    level: z.enum(['alert', 'analysis']),
    evidence: z.string(),
  }),
  z.object({
    type: z.literal('inspection.changed'),
    inspectionId: InspectionId,
    status: z.enum(['enqueued', 'processing', 'succeeded', 'failed']),
  }),
  z.object({
    type: z.literal('workers.changed'),
    workers: z.array(
      z.object({ workerId: WorkerId, name: z.string(), status: WorkerStatus, reason: z.string().nullable() }),
    ),
  }),
  /** In memory only: no cursor, never replayed. */
  z.object({
    type: z.literal('frames.progress'),
    jobId: JobId,
    progress: z.array(FrameProgress.extend({ number: z.number().int(), workerName: z.string() })),
  }),
  /** The cursor is older than what is kept: load everything anew. */
  z.object({ type: z.literal('resync') }),
]);
export type JobEvent = z.infer<typeof JobEvent>;
