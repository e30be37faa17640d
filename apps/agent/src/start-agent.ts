import { mkdir, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Capabilities, Heartbeat, InspectTask, Lease, LeaseId, WorkerConfig } from '@pictor/protocol';
import { createOutputDecoder, type OutputDecoder } from '@pictor/rendering';
import type { EmitEvent } from './agent-events.ts';
import { openContentCache } from './cache/open-content-cache.ts';
import { describeCapabilities, type Measured, measureMachine } from './capabilities/measure-capabilities.ts';
import type { RunConfig } from './config.ts';
import { type HeartbeatKeeper, keepHeartbeat } from './connection/keep-heartbeat.ts';
import { createTelemetry } from './connection/measure-telemetry.ts';
import {
  type Connection,
  openConnection,
  type Refused,
  type Welcome,
  type WorkMessage,
} from './connection/open-connection.ts';
import { createChunkClient } from './content/chunk-client.ts';
import type { Identity } from './identity/load-identity.ts';
import { sandboxSlots } from './identity/sandbox-slots.ts';
import { inspectScene } from './inspections/inspect-scene.ts';
import { createDeviceBlender, type DeviceBlender } from './leases/device-blender.ts';
import { createDeviceQueue, type DeviceQueue } from './leases/device-queue.ts';
import type { HeldLease } from './leases/held-lease.ts';
import { rememberLeases } from './leases/remember-leases.ts';
import { errorText, log } from './log.ts';
import { openReportOutbox } from './reports/report-outbox.ts';

export interface AgentOptions {
  config: RunConfig;
  workerConfig: WorkerConfig;
  dataDir: string;
  identity: Identity;
  emit: EmitEvent;
  /** The server will not have this agent: nothing works any more. */
  onRefused(refusal: Refused): void;
  /** What this machine can do cannot be found out. */
  onFailed(error: unknown): void;
}

/** The running agent: connected, rendering what is leased. */
export interface Agent {
  /** Finishes the frames in work, delivers them, gives the rest back. */
  drain(): Promise<void>;
  /** Ends everything now; leases are given back where the server can be told within a moment. */
  stop(reason: string): Promise<void>;
}

/** One device with its Blender and its leases. */
interface RunningDevice {
  queue: DeviceQueue;
  blender: DeviceBlender;
}

/** A server that is away for longer than this while the agent drains gets nothing more: its leases expire. */
const AWAY_WHILE_DRAINING_MS = 30_000;
/** The rest is for the agent and the system: a scene that wants everything must not take them down. */
const MEMORY_SHARE = 0.9;
const LAST_REPORTS_MS = 1500;
const INSPECTION_MS = 15 * 60_000;

/** Starts the agent in a data folder that this process has locked. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, workerConfig, dataDir, identity, emit } = options;
  const sessionsDir = join(dataDir, 'sessions');
  const cacheDir = join(dataDir, 'cache');
  await rm(sessionsDir, { recursive: true, force: true });
  await mkdir(sessionsDir, { recursive: true });
  const client = createChunkClient(workerConfig.server);
  const cache = await openContentCache(cacheDir, config.cacheBytes, client);
  const leaseMemory = await rememberLeases(join(dataDir, 'leases.json'));
  const telemetry = createTelemetry(cacheDir);
  const stopping = new AbortController();
  const inspections = new Set<Promise<void>>();
  const devices = new Map<string, RunningDevice>();
  let measured: Measured | null = null;
  let capabilities: Capabilities | null = null;
  let decoder: OutputDecoder | null = null;
  let draining = false;
  let isFirstWelcome = true;

  const outbox = await openReportOutbox(join(dataDir, 'reports.ndjson'), (report, outcome, message) => {
    if (outcome === 'recorded' || outcome === 'duplicate') {
      return;
    }
    log('warn', 'The server did not take a report.', { kind: report.kind, outcome, detail: message });
    if (outcome === 'lease-lost' && 'leaseId' in report) {
      loseLease(report.leaseId, message);
    }
    if (outcome === 'refused' && report.kind === 'frame-delivered') {
      // The files are gone here: only another attempt brings the frame.
      const { leaseId, token, attemptId } = report;
      const failure = { failure: 'upload-failed', message: message.slice(0, 4096), log: '' } as const;
      void outbox.append({ kind: 'frame-failed', leaseId, token, attemptId, ...failure });
    }
  });

  const heartbeat: HeartbeatKeeper = keepHeartbeat(
    async (): Promise<Heartbeat> => {
      const load = await telemetry.measure(measured?.devices ?? []);
      const leases = heldLeases();
      return {
        type: 'heartbeat',
        leases: leases.map(({ lease: { leaseId, token } }) => ({ leaseId, token })),
        warm: [...devices].flatMap(([deviceId, { blender }]) => {
          const scene = blender.warmScene();
          return scene === null ? [] : [{ deviceId, ...scene }];
        }) as Heartbeat['warm'],
        cached: cache.cachedSnapshots(),
        progress: leases.flatMap((held) => held.progress()),
        telemetry: load,
        draining,
      };
    },
    (message) => connection.send(message),
  );

  const connection: Connection = openConnection({
    config: workerConfig,
    identity,
    onWelcome,
    onMessage,
    onDisconnected(reason) {
      heartbeat.stop();
      outbox.disconnected();
      emit({ event: 'disconnected', reason });
    },
    onRefused: options.onRefused,
  });

  function onWelcome(welcome: Welcome): void {
    identity.markEnrolled().catch((error) => {
      log('warn', 'The enrolment could not be kept on disk.', { error: errorText(error) });
    });
    announce();
    outbox.connected(welcome.lastSequence, (numbered) => connection.send({ type: 'report', ...numbered }));
    if (isFirstWelcome) {
      isFirstWelcome = false;
      for (const { leaseId, token } of leaseMemory.leftOver) {
        const reason = 'The agent was started anew.';
        void outbox.append({ kind: 'lease-released', leaseId, token, reason });
      }
    }
    heartbeat.start(welcome.heartbeatSeconds);
  }

  /** Says what this machine can do: leases come only after that. */
  function announce(): void {
    if (capabilities !== null && connection.send({ type: 'capabilities', capabilities })) {
      emit({ event: 'connected', server: workerConfig.server, workerId: workerConfig.workerId });
    }
  }

  function onMessage(message: WorkMessage): void {
    switch (message.type) {
      case 'lease':
        acceptLease(message.lease);
        return;
      case 'inspect':
        acceptInspection(message.task);
        return;
      case 'stop-frames':
        heldLeases()
          .find((held) => held.lease.leaseId === message.leaseId)
          ?.stopFrames(message.attemptIds, message.reason);
        return;
      case 'heartbeat-ack':
        for (const { leaseId, grant } of message.renewed) {
          heldLeases()
            .find((held) => held.lease.leaseId === leaseId)
            ?.setGrant(grant);
        }
        for (const leaseId of message.lost) {
          loseLease(leaseId, 'The lease expired or was taken back.');
        }
        return;
      case 'report-ack':
        outbox.acknowledge(message.sequence, message.outcome, message.message);
        return;
      case 'drain':
        // The server leases no more; what is in hand goes on, and the connection stays for the day it is resumed.
        log('info', 'The server asks for no more work from this worker.', { reason: message.reason });
        return;
      default:
        message satisfies never;
    }
  }

  function acceptLease(lease: Lease): void {
    const device = devices.get(lease.deviceId);
    if (device === undefined || draining || stopping.signal.aborted) {
      const reason = draining ? 'The agent drains.' : `This worker has no device ${lease.deviceId}.`;
      const { leaseId, token } = lease;
      void outbox.append({ kind: 'lease-released', leaseId, token, reason });
      return;
    }
    if (!heldLeases().some((held) => held.lease.leaseId === lease.leaseId)) {
      device.queue.accept(lease);
    }
  }

  function acceptInspection(task: InspectTask): void {
    const all = [...devices.values()];
    const blender = (all.find(({ queue }) => queue.isIdle()) ?? all[0])?.blender;
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(INSPECTION_MS)]);
    const inspection = inspectScene(task, { cache, outbox, blender, findBuild, emit }, signal)
      .catch((error) => log('error', 'An inspection could not be reported.', { error: errorText(error) }))
      .finally(() => {
        inspections.delete(inspection);
        heartbeat.soon();
      });
    inspections.add(inspection);
  }

  function loseLease(leaseId: LeaseId, reason: string): void {
    heldLeases()
      .find((held) => held.lease.leaseId === leaseId)
      ?.abort(reason);
  }

  function heldLeases(): HeldLease[] {
    return [...devices.values()].flatMap(({ queue }) => queue.leases());
  }

  function findBuild(sha256: string) {
    return measured?.builds.find((build) => build.sha256 === sha256);
  }

  function onChange(): void {
    leaseMemory.keep(heldLeases().map(({ lease: { leaseId, token } }) => ({ leaseId, token })));
    heartbeat.soon();
  }

  async function measure(): Promise<void> {
    const machine = await measureMachine(config.blenderPaths, config.buildsFile);
    const described = await describeCapabilities(machine, cacheDir, config.cacheBytes);
    if (stopping.signal.aborted) {
      return;
    }
    measured = machine;
    const slots = sandboxSlots(dataDir);
    const decoderDir = join(sessionsDir, 'decoder');
    await mkdir(decoderDir, { recursive: true });
    const frameDecoder = createOutputDecoder({ sandbox: machine.sandbox, workDir: decoderDir, slot: slots.decoder });
    decoder = frameDecoder;
    const [preferredBuild] = machine.builds;
    machine.devices.forEach((device, position) => {
      if (preferredBuild !== undefined) {
        const blender = createDeviceBlender({
          device,
          preferredBuild,
          sandbox: machine.sandbox,
          workDir: join(sessionsDir, `device-${position}`),
          slot: slots.firstDevice + position,
          memoryLimitBytes: Math.floor(totalmem() * MEMORY_SHARE),
        });
        const queue = createDeviceQueue({
          device,
          blender,
          cache,
          client,
          outbox,
          decoder: frameDecoder,
          sign: identity.sign,
          findBuild,
          tellStarted: (leaseId, attemptId) => connection.send({ type: 'frame-started', leaseId, attemptId }),
          emit,
          onChange,
          onProgress: heartbeat.progress,
        });
        devices.set(device.deviceId, { queue, blender });
      }
    });
    capabilities = described;
    announce();
  }

  const measuring = measure().catch(options.onFailed);

  async function close(): Promise<void> {
    heartbeat.stop();
    await Promise.allSettled([...devices.values()].map(({ blender }) => blender.close()));
    await decoder?.close();
    await connection.close();
    await leaseMemory.written();
    await outbox.close();
    client.close();
    await rm(sessionsDir, { recursive: true, force: true });
  }

  let ending: Promise<void> | null = null;
  async function end(reason: string): Promise<void> {
    stopping.abort(new Error(reason));
    for (const { queue } of devices.values()) {
      await queue.abandon(reason);
    }
    await Promise.race([outbox.emptied(), connection.isWelcomed() ? after(LAST_REPORTS_MS) : undefined]);
    leaseMemory.keep([]);
    await close();
  }

  return {
    async drain() {
      draining = true;
      emit({ event: 'draining' });
      heartbeat.soon();
      await measuring;
      const finished = Promise.all([...[...devices.values()].map(({ queue }) => queue.drain()), ...inspections]).then(
        () => outbox.emptied(),
      );
      await Promise.race([finished, whenServerIsAway()]);
      ending ??= end('The agent drained.');
      await ending;
    },
    async stop(reason) {
      ending ??= end(reason);
      await ending;
    },
  };

  async function whenServerIsAway(): Promise<void> {
    for (let awayMs = 0; awayMs < AWAY_WHILE_DRAINING_MS && !stopping.signal.aborted; ) {
      await after(1000);
      awayMs = connection.isWelcomed() ? 0 : awayMs + 1000;
    }
  }
}

/** A wait that keeps no process alive. */
function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
