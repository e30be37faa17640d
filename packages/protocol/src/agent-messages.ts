import { z } from 'zod';
import { Capabilities } from './capabilities.ts';
import { FailureKind } from './failures.ts';
import { AttemptId, FrameId, InspectionId, JobId, LeaseId, Sha256, SnapshotId, WorkerId } from './ids.ts';
import { InspectionReport } from './inspections.ts';
import { RenderSettings, Timeouts } from './render-settings.ts';
import { ProjectPath, SnapshotFile, SnapshotManifest } from './snapshots.ts';

/*
 * One outbound WebSocket per agent, JSON messages. Order: agent `hello`, server `challenge`, agent `proof`, server `welcome` or
 * `refused`, agent `capabilities`; then leases and inspections down, heartbeats and reports up. The rules are in SPEC.md.
 */

/** Why a connection is refused; the agent prints the sentence and, where `final`, does not try again. */
export const REFUSALS = {
  'agent-too-old': { final: true, sentence: 'This agent is too old for the server: update it.' },
  'server-too-old': { final: true, sentence: 'The server is too old for this agent: update the server.' },
  'unknown-worker': { final: true, sentence: 'The server knows no such worker: create it anew and import its config.' },
  'enrolment-code-wrong': { final: true, sentence: 'The enrolment code is wrong.' },
  'enrolment-code-used': { final: true, sentence: 'The enrolment code was used already, by the machine named here.' },
  'not-enrolled': { final: true, sentence: 'This worker has not been enrolled: its config lacks the enrolment code.' },
  'wrong-key': { final: true, sentence: 'The key of this agent is not the one the worker was enrolled with.' },
  revoked: { final: true, sentence: 'The key of this worker was revoked by its owner.' },
  'already-connected': {
    final: true,
    sentence: 'Another agent is connected with this key, on the machine named here.',
  },
  malformed: { final: true, sentence: 'The server did not understand the agent.' },
  'shutting-down': { final: false, sentence: 'The server is stopping.' },
} as const;
export const RefusalReason = z.enum(Object.keys(REFUSALS) as [keyof typeof REFUSALS, ...(keyof typeof REFUSALS)[]]);
export type RefusalReason = keyof typeof REFUSALS;

export const Hello = z.object({
  type: z.literal('hello'),
  protocolVersion: z.number().int(),
  agentVersion: z.string(),
  workerId: WorkerId,
  /** Ed25519 public key, raw 32 bytes in base64url. */
  publicKey: z.string(),
  /** Only until the worker is enrolled. */
  enrolmentCode: z.string().optional(),
  /** Name of the machine, told to whoever uses the same config a second time. */
  hostname: z.string().max(255),
  /** New for each start of the agent: a reconnecting agent replaces its own stale connection, another agent is refused. */
  instanceId: z.string(),
});

/** `signature` is Ed25519 over the UTF-8 bytes of `pictor-agent-v1:` + nonce + `:` + workerId, base64url. */
export const Proof = z.object({ type: z.literal('proof'), signature: z.string() });

export const CapabilitiesMessage = z.object({ type: z.literal('capabilities'), capabilities: Capabilities });

/** A scene that a device has loaded (`warm`). */
export const WarmScene = z.object({ deviceId: z.string(), snapshotId: SnapshotId, file: ProjectPath });

/** What a frame in work is doing. Kept in memory by the server, never stored. */
export const FrameProgress = z.object({
  attemptId: AttemptId,
  phase: z.enum(['downloading', 'loading', 'syncing', 'rendering', 'writing', 'uploading']),
  /** 0..1 of the frame, by samples where the engine counts them. */
  fraction: z.number().min(0).max(1),
  elapsedSeconds: z.number().min(0),
});
export type FrameProgress = z.infer<typeof FrameProgress>;

export const Heartbeat = z.object({
  type: z.literal('heartbeat'),
  /** Leases the agent holds, each with its token: they are renewed. */
  leases: z.array(z.object({ leaseId: LeaseId, token: z.string() })),
  warm: z.array(WarmScene),
  /** Snapshots whose content is wholly in the cache (most recent first, bounded). */
  cached: z.array(SnapshotId).max(200),
  progress: z.array(FrameProgress),
  telemetry: z.object({
    cpuLoad: z.number().min(0),
    memoryUsedBytes: z.number().int().min(0),
    diskFreeBytes: z.number().int().min(0),
    gpus: z.array(
      z.object({
        deviceId: z.string(),
        utilisation: z.number().min(0).max(1),
        memoryUsedBytes: z.number().int().min(0),
        temperatureCelsius: z.number(),
      }),
    ),
  }),
  draining: z.boolean(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** A file that a frame left: uploaded as chunks before it is reported. */
export const DeliveredOutput = z.object({
  /** `picture`: the main picture (one per view); `file-output`: of a File Output node. */
  kind: z.enum(['picture', 'file-output']),
  /** Path below the job's output folder, as Blender names it: `0001.png`, `depth/Image0001.exr`. */
  path: ProjectPath,
  sizeBytes: z.number().int().min(1),
  sha256: Sha256,
  chunks: z.array(Sha256).min(1),
  /** SHA-256 over the decoded pixels: equal where the pictures are, whatever dates the file carries. */
  pixelSha256: Sha256,
  width: z.number().int().min(1),
  height: z.number().int().min(1),
});
export type DeliveredOutput = z.infer<typeof DeliveredOutput>;

/** What happened to a frame of a lease. Numbered, kept on disk until acknowledged, sent in order. */
export const Report = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('frame-delivered'),
    leaseId: LeaseId,
    token: z.string(),
    attemptId: AttemptId,
    outputs: z.array(DeliveredOutput).min(1),
    renderSeconds: z.number().min(0),
    /** From the start of work on the frame, loading and writing included. */
    totalSeconds: z.number().min(0),
    peakMemoryBytes: z.number().int().min(0),
    deviceId: z.string(),
    blenderSha256: Sha256,
    /** Whether the scene was loaded already. */
    warm: z.boolean(),
    /** Ed25519 over `receiptText`, base64url (see SPEC.md). */
    signature: z.string(),
    log: z.string().max(65_536),
  }),
  z.object({
    kind: z.literal('frame-failed'),
    leaseId: LeaseId,
    token: z.string(),
    attemptId: AttemptId,
    failure: FailureKind,
    message: z.string().max(4096),
    log: z.string().max(65_536),
  }),
  z.object({
    /** The agent gives the rest of the lease back: it drains, or lost the scene. Frames not delivered are enqueued again. */
    kind: z.literal('lease-released'),
    leaseId: LeaseId,
    token: z.string(),
    reason: z.string().max(1024),
  }),
  z.object({
    kind: z.literal('frame-alert'),
    leaseId: LeaseId,
    token: z.string(),
    attemptId: AttemptId,
    /** Which timeout was passed; `evidence` says what Blender was doing. */
    level: z.enum(['alert', 'analysis']),
    evidence: z.string().max(4096),
  }),
  z.object({
    kind: z.literal('inspection-succeeded'),
    inspectionId: InspectionId,
    report: InspectionReport,
    /** Of a bake: the .blend with its caches, uploaded before it is reported; `report` is of it. */
    bakedFile: SnapshotFile.optional(),
  }),
  z.object({
    kind: z.literal('inspection-failed'),
    inspectionId: InspectionId,
    failure: FailureKind,
    message: z.string().max(4096),
  }),
]);
export type Report = z.infer<typeof Report>;

/** `sequence` counts from 1 for each worker: the same report sent twice is recorded once. */
export const ReportMessage = z.object({ type: z.literal('report'), sequence: z.number().int().min(1), report: Report });

/** Where a new frame starts: told at once, so that the page shows it; not kept on disk (a lost one is not missed). */
export const FrameStarted = z.object({ type: z.literal('frame-started'), leaseId: LeaseId, attemptId: AttemptId });

export const AgentMessage = z.discriminatedUnion('type', [
  Hello,
  Proof,
  CapabilitiesMessage,
  Heartbeat,
  ReportMessage,
  FrameStarted,
]);
export type AgentMessage = z.infer<typeof AgentMessage>;

export const LeasedFrame = z.object({ frameId: FrameId, attemptId: AttemptId, number: z.number().int() });

/** The right to render a list of frames for `durationSeconds` from now, renewed by heartbeats. */
export const Lease = z.object({
  leaseId: LeaseId,
  token: z.string(),
  jobId: JobId,
  deviceId: z.string(),
  durationSeconds: z.number().positive(),
  snapshotId: SnapshotId,
  manifest: SnapshotManifest,
  settings: RenderSettings,
  /** In the order in which they shall be rendered. */
  frames: z.array(LeasedFrame).min(1),
  /** Play the frames from `playFrom` in order, without rendering those before the first: for history-dependent scenes. */
  playFrom: z.number().int().nullable(),
  timeouts: Timeouts,
  memoryLimitBytes: z.number().int().positive().nullable(),
  /** SHA-256 of the Blender build to use, one of the worker's capabilities. */
  blenderSha256: Sha256,
  /** Owner of the scene: one Blender never serves two. */
  ownerId: z.string(),
  /** Opens the chunks of this lease's snapshot and the upload of its outputs; see SPEC.md. */
  grant: z.string(),
});
export type Lease = z.infer<typeof Lease>;

/** Look into a .blend, in the sandbox; with `bake`, bake its simulations into a copy and look into that. */
export const InspectTask = z.object({
  inspectionId: InspectionId,
  snapshotId: SnapshotId,
  manifest: SnapshotManifest,
  file: ProjectPath,
  bake: z.boolean().default(false),
  ownerId: z.string(),
  blenderSha256: Sha256,
  grant: z.string(),
});
export type InspectTask = z.infer<typeof InspectTask>;

export const ReportOutcome = z.enum(['recorded', 'duplicate', 'lease-lost', 'refused']);
export type ReportOutcome = z.infer<typeof ReportOutcome>;

export const ServerMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('challenge'), nonce: z.string() }),
  z.object({
    type: z.literal('welcome'),
    protocolVersion: z.number().int(),
    heartbeatSeconds: z.number().positive(),
    /** Highest report sequence that the server has recorded from this worker. */
    lastSequence: z.number().int().min(0),
  }),
  z.object({ type: z.literal('refused'), reason: RefusalReason, message: z.string() }),
  z.object({
    type: z.literal('heartbeat-ack'),
    /** Renewed leases with a fresh grant. */
    renewed: z.array(z.object({ leaseId: LeaseId, grant: z.string() })),
    /** Leases that are not the agent's any more: stop work on them. */
    lost: z.array(LeaseId),
  }),
  z.object({ type: z.literal('lease'), lease: Lease }),
  z.object({ type: z.literal('inspect'), task: InspectTask }),
  z.object({ type: z.literal('report-ack'), sequence: z.number().int(), outcome: ReportOutcome, message: z.string() }),
  /** Stop these attempts now (job canceled or paused, frame superseded); the lease goes on with its other frames. */
  z.object({ type: z.literal('stop-frames'), leaseId: LeaseId, attemptIds: z.array(AttemptId), reason: z.string() }),
  z.object({ type: z.literal('drain'), reason: z.string() }),
]);
export type ServerMessage = z.infer<typeof ServerMessage>;
