import type {
  Capabilities,
  FrameProgress,
  Heartbeat,
  JobId,
  RefusalReason,
  ServerMessage,
  WorkerId,
} from '@pictor/protocol';

/** A worker whose agent is connected to this process. In memory only: what must outlive the connection is in PostgreSQL. */
export interface ConnectedWorker {
  readonly workerId: WorkerId;
  readonly ownerId: string;
  readonly name: string;
  readonly hostname: string;
  /** Ed25519, raw 32 bytes in base64url. */
  readonly publicKey: string;
  /** One start of the agent. */
  readonly instanceId: string;
  /** Null until the agent has said what it can do: it gets no work before. */
  capabilities: Capabilities | null;
  /** Its owner wants it to take no more. */
  isDrained: boolean;
  /** The agent itself is stopping. */
  isDraining: boolean;
  warm: Heartbeat['warm'];
  cached: ReadonlySet<string>;
  progress: ReadonlyMap<string, FrameProgress>;
  telemetry: Heartbeat['telemetry'] | null;
  /** Heartbeats that came on this connection, and the leases that the last one named. */
  heartbeats: number;
  namedLeases: ReadonlySet<string>;
  /** Leases that were pushed on this connection. */
  readonly pushedLeases: Set<string>;
  /** Attempts in its hands, for telling their progress. */
  readonly attempts: Map<string, { jobId: JobId; number: number }>;
  /** Inspections in its hands. */
  readonly inspecting: Set<string>;
  send(message: ServerMessage): void;
  /** Says why and closes. */
  refuse(reason: RefusalReason, message: string): void;
}

/** Who is connected. Written by the gateway, read by the scheduler and by whoever pushes messages to agents. */
export class Presence {
  readonly #workers = new Map<string, ConnectedWorker>();

  get(workerId: string): ConnectedWorker | undefined {
    return this.#workers.get(workerId);
  }

  list(): ConnectedWorker[] {
    return [...this.#workers.values()];
  }

  get size(): number {
    return this.#workers.size;
  }

  add(worker: ConnectedWorker): void {
    this.#workers.set(worker.workerId, worker);
  }

  /** Forgets a worker, unless a newer connection has taken its place. Whether it was this connection's. */
  remove(worker: ConnectedWorker): boolean {
    if (this.#workers.get(worker.workerId) !== worker) return false;
    return this.#workers.delete(worker.workerId);
  }

  /** Sends a message where the worker is connected; a worker that is not learns of it when it comes back. */
  send(workerId: string, message: ServerMessage): void {
    this.#workers.get(workerId)?.send(message);
  }
}
