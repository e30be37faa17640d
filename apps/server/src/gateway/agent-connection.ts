import {
  type AgentMessage,
  type AttemptId,
  type Heartbeat,
  PictorError,
  PROTOCOL_VERSION,
  type RefusalReason,
  type Report,
  type ServerMessage,
} from '@pictor/protocol';
import type { WebSocket } from 'ws';
import { GRANT_SECONDS } from '../scheduler/index.ts';
import {
  type ConnectedWorker,
  findWorker,
  type KnownWorker,
  recordCapabilities,
  tellStopped,
} from '../workers/index.ts';
import type { GatewayDeps } from './gateway-deps.ts';
import { admitAgent, type Challenge, challengeAgent, compareProtocol, type Refusal, refusal } from './handshake.ts';
import { parseAgentMessage, parseJson, VersionOnly } from './parse-message.ts';
import type { ProgressFeed } from './progress-feed.ts';
import { recordReport } from './record-report.ts';
import type { Renewals } from './renewals.ts';

/** Parts that all connections share. */
export interface ConnectionDeps extends GatewayDeps {
  renewals: Renewals;
  progress: ProgressFeed;
  /** A worker was heard of. */
  onHeard(workerId: string): void;
  /** The living connection of a worker, other than this one. */
  findOther(workerId: string, self: AgentConnection): AgentConnection | undefined;
}

/** How often agents say that they are there. Several fit into the life of a lease. */
const HEARTBEAT_SECONDS = 5;
const HANDSHAKE_MS = 30_000;
/** How long a connection may take to answer whether it lives, when another one wants its place. */
const PROBE_MS = 2000;
const LINGER_MS = 1000;
/** Messages of an agent that may wait to be handled before no more are read from its socket. */
const MAX_WAITING = 64;

type State =
  | { kind: 'silent' }
  | { kind: 'challenged'; challenge: Challenge }
  | { kind: 'welcomed'; worker: ConnectedWorker }
  | { kind: 'closed' };

/** One agent's socket, from its hello to its end. Messages are handled in the order in which they came. */
export class AgentConnection {
  readonly #deps: ConnectionDeps;
  readonly #socket: WebSocket;
  #state: State = { kind: 'silent' };
  #handling: Promise<void> = Promise.resolve();
  #waiting = 0;
  #lastHeardAt = performance.now();
  readonly #handshakeTimer: NodeJS.Timeout;

  constructor(deps: ConnectionDeps, socket: WebSocket) {
    this.#deps = deps;
    this.#socket = socket;
    this.#handshakeTimer = setTimeout(
      () => this.refuse(refusal('malformed', 'The handshake took too long.')),
      HANDSHAKE_MS,
    );
    socket.on('message', (data, isBinary) => this.#receive(isBinary ? null : String(data)));
    socket.on('pong', () => {
      this.#lastHeardAt = performance.now();
    });
    // What goes wrong with a socket closes it; why is of no use to anybody.
    socket.on('error', () => {});
    socket.on('close', () => this.#end());
  }

  get worker(): ConnectedWorker | null {
    return this.#state.kind === 'welcomed' ? this.#state.worker : null;
  }

  /** Settled when everything that was received is handled. */
  get idle(): Promise<void> {
    return this.#handling;
  }

  /** Asks whether the other side lives; ends the connection where it has been silent for too long. */
  keepAlive(silenceMs: number): void {
    if (performance.now() - this.#lastHeardAt > silenceMs) this.#socket.terminate();
    else this.#socket.ping();
  }

  /** Whether the other side answers now. One that does not is ended. */
  async probe(): Promise<boolean> {
    if (this.#socket.readyState !== this.#socket.OPEN) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#socket.once('pong', () => resolve(true));
    this.#socket.once('close', () => resolve(false));
    const timer = setTimeout(() => resolve(false), PROBE_MS);
    this.#socket.ping();
    const lives = await promise;
    clearTimeout(timer);
    if (!lives) this.drop();
    return lives;
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.#socket.terminate();
    this.#end();
  }

  /** Says why and closes. */
  refuse({ reason, message }: Refusal): void {
    if (this.#state.kind === 'closed') return;
    this.#send({ type: 'refused', reason, message });
    this.#socket.close(1008, reason);
    setTimeout(() => this.#socket.terminate(), LINGER_MS).unref();
    this.#end();
  }

  #send(message: ServerMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #end(): void {
    clearTimeout(this.#handshakeTimer);
    const { worker } = this;
    this.#state = { kind: 'closed' };
    if (!worker || !this.#deps.presence.remove(worker)) return;
    this.#deps.progress.touch([...worker.attempts.values()].map((attempt) => attempt.jobId));
    this.#deps.scheduler.wake();
  }

  #receive(text: string | null): void {
    this.#lastHeardAt = performance.now();
    if (this.#state.kind === 'closed') return;
    const parsed = text === null ? ({ ok: false, problem: 'a message was not text' } as const) : parseJson(text);
    if (!parsed.ok) {
      this.refuse(refusal('malformed', parsed.problem));
      return;
    }
    const version = this.#state.kind === 'silent' ? VersionOnly.safeParse(parsed.value) : null;
    const mismatch = version?.success ? compareProtocol(version.data.protocolVersion) : null;
    if (mismatch) {
      this.refuse(mismatch);
      return;
    }
    const message = parseAgentMessage(parsed.value);
    if (!message.ok) {
      this.refuse(refusal('malformed', message.problem));
      return;
    }
    // Heartbeats do not wait behind reports: a lease must not end because a report takes long to record.
    if (message.value.type === 'heartbeat' && this.worker) {
      void this.#guard(this.#beat(this.worker, message.value));
      return;
    }
    this.#waiting += 1;
    if (this.#waiting >= MAX_WAITING) this.#socket.pause();
    this.#handling = this.#handling.then(() =>
      this.#guard(this.#handle(message.value)).finally(() => {
        this.#waiting -= 1;
        if (this.#socket.isPaused) this.#socket.resume();
      }),
    );
  }

  /** What goes wrong here ends the connection: the agent comes back and sends again what was not acknowledged. */
  #guard(work: Promise<void>): Promise<void> {
    return work.catch((error) => {
      this.#deps.log(`a message of ${this.worker?.name ?? 'an agent'} could not be handled: ${error.stack ?? error}`);
      this.drop();
    });
  }

  async #handle(message: AgentMessage): Promise<void> {
    const state = this.#state;
    switch (state.kind) {
      case 'closed':
        return;
      case 'silent':
        if (message.type !== 'hello')
          return this.refuse(refusal('malformed', `A hello was expected, not ${message.type}.`));
        return this.#challenge(message);
      case 'challenged':
        if (message.type !== 'proof')
          return this.refuse(refusal('malformed', `A proof was expected, not ${message.type}.`));
        return this.#admit(state.challenge, message.signature);
      case 'welcomed':
        return this.#work(state.worker, message);
    }
  }

  async #challenge(hello: Extract<AgentMessage, { type: 'hello' }>): Promise<void> {
    const challenge = await challengeAgent(this.#deps.db, hello);
    if ('reason' in challenge) return this.refuse(challenge);
    if (this.#state.kind !== 'silent') return;
    this.#state = { kind: 'challenged', challenge };
    this.#send({ type: 'challenge', nonce: challenge.nonce });
  }

  async #admit(challenge: Challenge, signature: string): Promise<void> {
    let known = await admitAgent(this.#deps.db, challenge, signature);
    if ('reason' in known) return this.refuse(known);
    for (;;) {
      const other = this.#deps.findOther(known.workerId, this);
      if (!other?.worker) break;
      const { instanceId, hostname } = other.worker;
      if (instanceId !== challenge.hello.instanceId && (await other.probe())) {
        return this.refuse(refusal('already-connected', `It is ${hostname}.`));
      }
      other.drop();
      // What the old connection had received is recorded before the new one is told what was.
      await other.idle;
      known = (await findWorker(this.#deps.db, known.workerId, undefined)) ?? known;
    }
    if (this.#state.kind === 'challenged') this.#welcome(challenge, known);
  }

  #welcome({ hello }: Challenge, known: KnownWorker): void {
    clearTimeout(this.#handshakeTimer);
    const worker: ConnectedWorker = {
      workerId: hello.workerId,
      ownerId: known.ownerId,
      name: known.name,
      hostname: hello.hostname,
      publicKey: hello.publicKey,
      instanceId: hello.instanceId,
      capabilities: null,
      isDrained: known.isDrained,
      isDraining: false,
      warm: [],
      cached: new Set(),
      progress: new Map(),
      telemetry: null,
      heartbeats: 0,
      namedLeases: new Set(),
      pushedLeases: new Set(),
      attempts: new Map(),
      inspecting: new Set(),
      send: (message) => this.#send(message),
      refuse: (reason: RefusalReason, message: string) => this.refuse({ reason, message }),
    };
    this.#state = { kind: 'welcomed', worker };
    this.#deps.presence.add(worker);
    this.#send({
      type: 'welcome',
      protocolVersion: PROTOCOL_VERSION,
      heartbeatSeconds: HEARTBEAT_SECONDS,
      lastSequence: known.lastSequence,
    });
    this.#deps.onHeard(worker.workerId);
    this.#deps.scheduler.wake();
  }

  async #work(worker: ConnectedWorker, message: AgentMessage): Promise<void> {
    switch (message.type) {
      case 'hello':
      case 'proof':
        return this.refuse(refusal('malformed', `A ${message.type} came after the welcome.`));
      case 'capabilities':
        await recordCapabilities(this.#deps.db, worker.workerId, message.capabilities);
        worker.capabilities = message.capabilities;
        this.#deps.scheduler.wake();
        return;
      case 'heartbeat':
        return this.#beat(worker, message);
      case 'frame-started':
        return this.#start(worker, message.attemptId);
      case 'report':
        return this.#record(worker, message.sequence, message.report);
    }
  }

  async #beat(worker: ConnectedWorker, heartbeat: Heartbeat): Promise<void> {
    const { progress, scheduler, grants } = this.#deps;
    worker.warm = heartbeat.warm;
    worker.cached = new Set(heartbeat.cached);
    worker.telemetry = heartbeat.telemetry;
    worker.progress = new Map(heartbeat.progress.map((entry) => [entry.attemptId, entry]));
    progress.touch([...worker.attempts.values()].map((attempt) => attempt.jobId));
    this.#deps.onHeard(worker.workerId);
    if (worker.isDraining !== heartbeat.draining) {
      worker.isDraining = heartbeat.draining;
      scheduler.wake();
    }
    worker.namedLeases = new Set(heartbeat.leases.map((lease) => lease.leaseId));
    worker.heartbeats += 1;
    const renewed = await this.#renew(worker, heartbeat.leases);
    this.#send({
      type: 'heartbeat-ack',
      renewed: heartbeat.leases.flatMap(({ leaseId }) => {
        const snapshotId = renewed?.get(leaseId);
        if (snapshotId === undefined) return [];
        const subject = { purpose: 'lease', leaseId, workerId: worker.workerId, snapshotId } as const;
        return [{ leaseId, grant: grants.sign(subject, GRANT_SECONDS) }];
      }),
      lost: heartbeat.leases.flatMap(({ leaseId }) => (renewed === null || renewed.has(leaseId) ? [] : [leaseId])),
    });
    if (worker.heartbeats === 1) await scheduler.recall(worker);
  }

  /** Null where the database does not answer: then nothing is known to be lost, and the next heartbeat tries again. */
  async #renew(worker: ConnectedWorker, leases: Heartbeat['leases']) {
    try {
      return await this.#deps.renewals.renew(leases.map((lease) => ({ ...lease, workerId: worker.workerId })));
    } catch (error) {
      if (error instanceof PictorError && error.code === 'database-unavailable') return null;
      throw error;
    }
  }

  async #start(worker: ConnectedWorker, attemptId: AttemptId): Promise<void> {
    const attempt = worker.attempts.get(attemptId);
    if (!attempt || worker.progress.has(attemptId)) return;
    const entry = { attemptId, phase: 'loading' as const, fraction: 0, elapsedSeconds: 0 };
    worker.progress = new Map([...worker.progress, [attemptId, entry]]);
    this.#deps.progress.touch([attempt.jobId]);
  }

  async #record(worker: ConnectedWorker, sequence: number, report: Report): Promise<void> {
    const { outcome, message, stopped } = await recordReport(this.#deps, worker, sequence, report);
    this.#send({ type: 'report-ack', sequence, outcome, message });
    tellStopped(this.#deps.presence, stopped, 'the worker has left this job');
    // Whoever gives back what it was just sent wants no more, until it says what it wants with its next heartbeat.
    if (report.kind === 'lease-released' && worker.pushedLeases.has(report.leaseId)) worker.isDraining = true;
    if ('inspectionId' in report) worker.inspecting.delete(report.inspectionId);
    if (report.kind === 'frame-delivered' || report.kind === 'frame-failed') {
      const attempt = worker.attempts.get(report.attemptId);
      worker.attempts.delete(report.attemptId);
      if (attempt) this.#deps.progress.touch([attempt.jobId]);
    }
    if (report.kind === 'frame-delivered' && outcome === 'recorded') this.#deps.checks.wake();
    if (report.kind !== 'frame-alert') this.#deps.scheduler.wake();
  }
}
