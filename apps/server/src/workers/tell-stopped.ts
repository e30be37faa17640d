import type { StoppedLease } from '../frames/index.ts';
import type { Presence } from './presence.ts';

/** Tells the agents whose leases were taken back to stop. Those that are away learn it from their next heartbeat. */
export function tellStopped(presence: Presence, stopped: readonly StoppedLease[], reason: string): void {
  for (const { workerId, leaseId, attemptIds } of stopped) {
    for (const attemptId of attemptIds) presence.get(workerId)?.attempts.delete(attemptId);
    if (attemptIds.length > 0) presence.send(workerId, { type: 'stop-frames', leaseId, attemptIds, reason });
  }
}
