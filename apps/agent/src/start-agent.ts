import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Capabilities, Heartbeat, InspectTask, Lease, WorkerConfig } from '@pictor/protocol';
import type { EmitEvent } from './agent-events.ts';
import { openContentCache } from './cache/open-content-cache.ts';
import { describeCapabilities, type Measured } from './capabilities/measure-capabilities.ts';
import { watchMachine } from './capabilities/watch-machine.ts';
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
import { endLeftOver } from './identity/end-left-over.ts';
import type { Identity } from './identity/load-identity.ts';
import { inspectScene } from './inspections/inspect-scene.ts';
import { rememberLeases } from './leases/remember-leases.ts';
import { createRunningDevices } from './leases/running-devices.ts';
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

/** A server that is away for longer than this while the agent drains gets nothing more: its leases expire. */
const AWAY_WHILE_DRAINING_MS = 30_000;
/** How often to look for new Blenders. */
const WATCH_MACHINE_SECONDS = 60;
const LAST_REPORTS_MS = 1500;

/** Starts the agent in a data folder that this process has locked. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, workerConfig, dataDir, identity, emit } = options;
  const sessionsDir = join(dataDir, 'sessions');
  const cacheDir = join(dataDir, 'cache');
  await endLeftOver(sessionsDir);
  await rm(sessionsDir, { recursive: true, force: true });
  await mkdir(sessionsDir, { recursive: true });
  const client = createChunkClient(workerConfig.server);
  const cache = await openContentCache(cacheDir, config.cacheBytes, client);
  const leaseMemory = await rememberLeases(join(dataDir, 'leases.json'));
  const telemetry = createTelemetry(cacheDir);
  const stopping = new AbortController();
  const inspections = new Set<Promise<void>>();
  let measured: Measured | null = null;
  let capabilities: Capabilities | null = null;
  let draining = false;
  let welcomes = 0;

  const outbox = await openReportOutbox(join(dataDir, 'reports.ndjson'), (report, outcome, message) => {
    if (outcome === 'recorded' || outcome === 'duplicate') {
      return;
    }
    log('warn', 'The server did not take a report.', { kind: report.kind, outcome, detail: message });
    if (outcome === 'lease-lost') {
      // Perhaps only this attempt: which leases are over is what the next heartbeat is answered.
      heartbeat.soon();
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
      const leases = devices.leases();
      return {
        type: 'heartbeat',
        leases: leases.map(({ lease: { leaseId, token } }) => ({ leaseId, token })),
        warm: devices.warmScenes(),
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

  const devices = createRunningDevices({
    dataDir,
    sessionsDir,
    cache,
    client,
    outbox,
    sign: identity.sign,
    tellStarted: (leaseId, attemptId) => connection.send({ type: 'frame-started', leaseId, attemptId }),
    emit,
    onChange,
    onProgress: heartbeat.progress,
  });

  function onWelcome(welcome: Welcome): void {
    identity.markEnrolled().catch((error) => {
      log('warn', 'The enrolment could not be kept on disk.', { error: errorText(error) });
    });
    announce();
    welcomes += 1;
    void resume(welcome, welcomes);
  }

  /** Reports go first: by the first heartbeat the server shall know all that became of the leases that it names or leaves out. */
  async function resume(welcome: Welcome, count: number): Promise<void> {
    await outbox.connected(welcome.lastSequence, (numbered) => connection.send({ type: 'report', ...numbered }));
    if (count === 1) {
      const reason = 'The agent was started anew.';
      await Promise.all(
        leaseMemory.leftOver.map((lease) => outbox.append({ kind: 'lease-released', ...lease, reason })),
      );
    }
    if (count === welcomes && connection.isWelcomed()) {
      heartbeat.start(welcome.heartbeatSeconds);
    }
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
        devices.lease(message.leaseId)?.stopFrames(message.attemptIds, message.reason);
        return;
      case 'heartbeat-ack':
        for (const { leaseId, grant } of message.renewed) {
          devices.lease(leaseId)?.setGrant(grant);
        }
        for (const leaseId of message.lost) {
          devices.lease(leaseId)?.abort('The lease expired or was taken back.');
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
    const queue = devices.queue(lease.deviceId);
    if (queue === undefined || draining || stopping.signal.aborted) {
      const reason = draining ? 'The agent drains.' : `This worker has no device ${lease.deviceId}.`;
      const { leaseId, token } = lease;
      void outbox.append({ kind: 'lease-released', leaseId, token, reason });
      return;
    }
    // A lease that comes twice (the server was not sure after a break) is one lease.
    if (devices.lease(lease.leaseId) === undefined) {
      queue.accept(lease);
    }
  }

  function acceptInspection(task: InspectTask): void {
    const surroundings = {
      cache,
      client,
      outbox,
      emit,
      blender: devices.blenderToInspect(),
      findBuild: devices.findBuild,
    };
    const inspection = inspectScene(task, surroundings, stopping.signal)
      .catch((error) => log('error', 'An inspection could not be reported.', { error: errorText(error) }))
      .finally(() => {
        inspections.delete(inspection);
        heartbeat.soon();
      });
    inspections.add(inspection);
  }

  function onChange(): void {
    leaseMemory.keep(devices.leases().map(({ lease: { leaseId, token } }) => ({ leaseId, token })));
    heartbeat.soon();
  }

  const machine = {
    blenderPaths: config.blenderPaths,
    buildsFile: config.buildsFile,
    intervalSeconds: WATCH_MACHINE_SECONDS,
    signal: stopping.signal,
  };
  watchMachine(machine, async (found) => {
    if (!stopping.signal.aborted) {
      await devices.start(found);
      measured = found;
      capabilities = await describeCapabilities(found, cacheDir, config.cacheBytes);
      announce();
    }
  }).catch(options.onFailed);

  async function close(): Promise<void> {
    heartbeat.stop();
    await devices.close();
    await connection.close();
    await leaseMemory.written();
    await outbox.close();
    client.close();
    await rm(sessionsDir, { recursive: true, force: true });
  }

  let ending: Promise<void> | null = null;
  async function end(reason: string): Promise<void> {
    stopping.abort(new Error(reason));
    await devices.abandon(reason);
    await Promise.race([outbox.emptied(), connection.isWelcomed() ? after(LAST_REPORTS_MS) : undefined]);
    leaseMemory.keep([]);
    await close();
  }

  return {
    async drain() {
      draining = true;
      emit({ event: 'draining' });
      heartbeat.soon();
      const finished = Promise.all([devices.drain(), ...inspections]).then(() => outbox.emptied());
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
