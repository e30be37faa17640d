import type { FailureKind } from '@pictor/protocol';

/** What whoever started the agent is told, one JSON line each on stdout. */
export type AgentEvent =
  /** The server knows what this machine can do: leases may come. */
  | { event: 'connected'; server: string; workerId: string }
  | { event: 'disconnected'; reason: string }
  /** The last line: the agent exits with code 2. */
  | { event: 'refused'; reason: string; message: string }
  | { event: 'rendering'; leaseId: string; attemptId: string; frame: number }
  /** Blender is asked to load the scene; `at` in milliseconds since 1970. */
  | { event: 'opening'; leaseId: string; at: number }
  | { event: 'delivered'; leaseId: string; attemptId: string; frame: number; renderSeconds: number }
  | { event: 'frame-failed'; leaseId: string; attemptId: string; frame: number; failure: FailureKind; message: string }
  | { event: 'inspected'; inspectionId: string; failure: FailureKind | null }
  | { event: 'draining' }
  | { event: 'drained' }
  /** The last line where the agent could not start:. */
  | { event: 'failed'; code: string; message: string };

export type EmitEvent = (event: AgentEvent) => void;

/** Writes the event as one JSON line on stdout. A reader that went away is no reason to stop rendering. */
export const emitOnStdout: EmitEvent = (event) => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};
