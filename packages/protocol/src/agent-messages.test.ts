import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { AgentMessage, REFUSALS, RefusalReason, Report, ServerMessage } from './index.ts';

const sha256 = '0123456789abcdef'.repeat(4);
const ids = {
  workerId: 'wrk_00000001',
  leaseId: 'lse_00000001',
  attemptId: 'att_00000001',
  jobId: 'job_00000001',
  snapshotId: 'snp_00000001',
  inspectionId: 'ins_00000001',
};
const lease = { leaseId: ids.leaseId, token: 'secret' };
const manifest = { files: [{ path: 'a.blend', sizeBytes: 7, sha256, chunks: [sha256] }], remaps: [] };

const REPORTS: Record<Report['kind'], object> = {
  'frame-delivered': {
    ...lease,
    attemptId: ids.attemptId,
    outputs: [
      {
        kind: 'picture',
        path: '0001.png',
        sizeBytes: 7,
        sha256,
        chunks: [sha256],
        pixelSha256: sha256,
        width: 64,
        height: 36,
      },
    ],
    renderSeconds: 0.5,
    totalSeconds: 1,
    peakMemoryBytes: 1024,
    deviceId: 'cpu',
    blenderSha256: sha256,
    warm: true,
    signature: 'c2lnbmVk',
    log: '',
  },
  'frame-failed': { ...lease, attemptId: ids.attemptId, failure: 'blender-crashed', message: 'It crashed.', log: '…' },
  'lease-released': { ...lease, reason: 'draining' },
  'frame-alert': { ...lease, attemptId: ids.attemptId, level: 'analysis', evidence: 'Sample 3/4' },
  'inspection-succeeded': {
    inspectionId: ids.inspectionId,
    report: {
      savedWith: '3.4.1',
      inspectedWith: '3.4.1',
      activeScene: 'Scene',
      scenes: [
        {
          name: 'Scene',
          cameras: ['Camera'],
          camera: 'Camera',
          hasMarkerCamera: false,
          frameStart: 0,
          frameEnd: 9,
          frameStep: 1,
          frameCurrent: 0,
          fps: 24,
          engine: 'CYCLES',
          resolutionX: 64,
          resolutionY: 36,
          resolutionPercent: 100,
          samples: 1,
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
          viewLayers: [{ name: 'ViewLayer', enabled: true, denoises: false }],
          usesMotionBlur: false,
          usesHair: false,
          usesFreestyle: false,
          historyDependences: [{ kind: 'cloth', object: 'Flag', modifier: 'Cloth', bakeable: true }],
        },
      ],
      references: [{ kind: 'image', name: 'wood', path: '//wood.png', resolved: 'wood.png', status: 'missing' }],
      scripts: ['startup.py'],
    },
  },
  'inspection-failed': { inspectionId: ids.inspectionId, failure: 'scene-invalid', message: 'It does not open.' },
};

const FROM_AGENT: Record<AgentMessage['type'], object> = {
  hello: {
    protocolVersion: 1,
    agentVersion: '0.1.0',
    workerId: ids.workerId,
    publicKey: 'a2V5',
    hostname: 'render-1',
    instanceId: 'i-1',
  },
  proof: { signature: 'c2lnbmVk' },
  capabilities: {
    capabilities: {
      agentVersion: '0.1.0',
      platform: 'linux',
      cpuModel: 'a CPU',
      cpuThreads: 2,
      memoryBytes: 1,
      diskFreeBytes: 1,
      devices: [{ deviceId: 'cpu', kind: 'CPU', name: 'a CPU', backend: null, memoryBytes: 1 }],
      builds: [{ path: '/usr/bin/blender', version: '3.4.1', sha256, engines: ['CYCLES'], denoisers: [] }],
      sandbox: 'bubblewrap',
      sandboxProblems: [],
    },
  },
  heartbeat: {
    leases: [lease],
    warm: [{ deviceId: 'cpu', snapshotId: ids.snapshotId, file: 'a.blend' }],
    cached: [ids.snapshotId],
    progress: [{ attemptId: ids.attemptId, phase: 'rendering', fraction: 0.5, elapsedSeconds: 1.5 }],
    telemetry: { cpuLoad: 1.5, memoryUsedBytes: 1, diskFreeBytes: 1, gpus: [] },
    draining: false,
  },
  report: { sequence: 1, report: { kind: 'lease-released', ...REPORTS['lease-released'] } },
  'frame-started': { leaseId: ids.leaseId, attemptId: ids.attemptId },
};

const FROM_SERVER: Record<ServerMessage['type'], object> = {
  challenge: { nonce: 'n' },
  welcome: { protocolVersion: 1, heartbeatSeconds: 5, lastSequence: 0 },
  refused: { reason: 'revoked', message: 'The key was revoked.' },
  'heartbeat-ack': { renewed: [{ leaseId: ids.leaseId, grant: 'g' }], lost: [ids.leaseId] },
  lease: {
    lease: {
      ...lease,
      jobId: ids.jobId,
      deviceId: 'cpu',
      durationSeconds: 60,
      snapshotId: ids.snapshotId,
      manifest,
      settings: { file: 'a.blend', allowMissing: false },
      frames: [{ frameId: 'frm_00000001', attemptId: ids.attemptId, number: -5 }],
      playFrom: null,
      timeouts: {},
      memoryLimitBytes: null,
      blenderSha256: sha256,
      ownerId: 'operator',
      grant: 'g',
    },
  },
  inspect: {
    task: {
      inspectionId: ids.inspectionId,
      snapshotId: ids.snapshotId,
      manifest,
      file: 'a.blend',
      bake: true,
      ownerId: 'operator',
      blenderSha256: sha256,
      grant: 'g',
    },
  },
  'report-ack': { sequence: 1, outcome: 'duplicate', message: '' },
  'stop-frames': { leaseId: ids.leaseId, attemptIds: [ids.attemptId], reason: 'The job was canceled.' },
  drain: { reason: 'The operator asked for it.' },
};

describe('AgentMessage', () => {
  it.each(Object.entries(FROM_AGENT))('carries %s unchanged', (type, fields) =>
    survivesTheWire(AgentMessage, { type, ...fields }),
  );

  it('has no kind of message that is not tried here', () => {
    expect(Object.keys(FROM_AGENT).sort()).toEqual(kindsOf(AgentMessage, 'type'));
    expect(Object.keys(FROM_SERVER).sort()).toEqual(kindsOf(ServerMessage, 'type'));
    expect(Object.keys(REPORTS).sort()).toEqual(kindsOf(Report, 'kind'));
  });

  it('refuses what it does not know', () => {
    for (const message of [null, 'hello', [], {}, { type: 'goodbye' }, { type: '__proto__' }]) {
      expect(AgentMessage.safeParse(message).success).toBe(false);
    }
  });
});

describe('ServerMessage', () => {
  it.each(Object.entries(FROM_SERVER))('carries %s unchanged', (type, fields) =>
    survivesTheWire(ServerMessage, { type, ...fields }),
  );

  it('refuses a lease without frames, and one that lasts no time', () => {
    const { lease: whole } = FROM_SERVER.lease as { lease: object };
    for (const wrong of [{ frames: [] }, { durationSeconds: 0 }, { durationSeconds: -1 }]) {
      expect(ServerMessage.safeParse({ type: 'lease', lease: { ...whole, ...wrong } }).success).toBe(false);
    }
  });

  it('has a sentence for every reason to refuse an agent', () => {
    for (const [reason, { sentence }] of Object.entries(REFUSALS)) {
      expect(RefusalReason.parse(reason)).toBe(reason);
      expect(sentence).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('Report', () => {
  it.each(Object.entries(REPORTS))('carries %s unchanged', (kind, fields) =>
    survivesTheWire(Report, { kind, ...fields }),
  );

  it('L4: knows no report about a lease without its token', () => {
    for (const kind of ['frame-delivered', 'frame-failed', 'lease-released', 'frame-alert'] as const) {
      const { token: _, ...withoutToken } = REPORTS[kind] as { token: string };
      expect(Report.safeParse({ kind, ...withoutToken }).success).toBe(false);
    }
  });

  it('refuses outputs that lead out of the job’s folder, hold nothing, or are none', () => {
    const delivered = REPORTS['frame-delivered'] as { outputs: object[] };
    const [output] = delivered.outputs;
    for (const wrong of [
      { path: '../0001.png' },
      { path: '/0001.png' },
      { sizeBytes: 0 },
      { chunks: [] },
      { sha256: 'A'.repeat(64) },
    ]) {
      const outputs = [{ ...output, ...wrong }];
      expect(Report.safeParse({ kind: 'frame-delivered', ...delivered, outputs }).success).toBe(false);
    }
    expect(Report.safeParse({ kind: 'frame-delivered', ...delivered, outputs: [] }).success).toBe(false);
  });

  it('refuses the id of one thing in the place of another’s', () => {
    const released = { kind: 'lease-released', ...REPORTS['lease-released'], leaseId: ids.jobId };
    expect(Report.safeParse(released).success).toBe(false);
  });
});

function survivesTheWire(schema: z.ZodType, message: object): void {
  expect(schema.parse(JSON.parse(JSON.stringify(message)))).toEqual(message);
}

function kindsOf(schema: { options: readonly { shape: object }[] }, key: string): string[] {
  return schema.options.map(({ shape }) => (shape as Record<string, { value: string }>)[key]?.value as string).sort();
}
