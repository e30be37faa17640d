import type { Heartbeat } from '@pictor/protocol';
import { errorText, log } from '../log.ts';

/** Sends heartbeats while connected: one each interval, and one at once where something changed that the server should know. */
export interface HeartbeatKeeper {
  /** After a welcome: the first heartbeat goes out at once. */
  start(intervalSeconds: number): void;
  stop(): void;
  /** Something changed. Calls close together become one heartbeat. */
  soon(): void;
  /** Only the progress of a frame changed: at most one heartbeat a second for that. */
  progress(): void;
}

const PROGRESS_MS = 1000;
/** Frames of a few milliseconds change things all the time. */
const CHANGES_MS = 100;

export function keepHeartbeat(
  measure: () => Promise<Heartbeat>,
  send: (heartbeat: Heartbeat) => void,
): HeartbeatKeeper {
  let intervalMs = 0;
  let timer: NodeJS.Timeout | null = null;
  let dueAt = 0;
  let measuring = false;
  let wantedAgain = false;
  let lastSentAt = Number.NEGATIVE_INFINITY;

  function schedule(inMs: number): void {
    if (intervalMs === 0) {
      return;
    }
    const at = performance.now() + inMs;
    if (timer !== null) {
      if (dueAt <= at) {
        return;
      }
      clearTimeout(timer);
    }
    dueAt = at;
    timer = setTimeout(beat, inMs);
  }

  async function beat(): Promise<void> {
    timer = null;
    if (measuring) {
      wantedAgain = true;
      return;
    }
    measuring = true;
    wantedAgain = false;
    try {
      const heartbeat = await measure();
      if (intervalMs > 0) {
        lastSentAt = performance.now();
        send(heartbeat);
      }
    } catch (error) {
      log('error', 'A heartbeat could not be made.', { error: errorText(error) });
    } finally {
      measuring = false;
    }
    schedule(wantedAgain ? untilNext(CHANGES_MS) : intervalMs);
  }

  function untilNext(spacingMs: number): number {
    return Math.max(0, lastSentAt + spacingMs - performance.now());
  }

  return {
    start(intervalSeconds) {
      intervalMs = intervalSeconds * 1000;
      schedule(0);
    },
    stop() {
      intervalMs = 0;
      if (timer !== null) {
        clearTimeout(timer);
        timer = null;
      }
    },
    soon() {
      if (measuring) {
        wantedAgain = true;
      } else {
        schedule(untilNext(CHANGES_MS));
      }
    },
    progress() {
      if (!measuring) {
        schedule(untilNext(PROGRESS_MS));
      }
    },
  };
}
