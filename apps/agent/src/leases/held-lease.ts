import type { AttemptId, FrameProgress, Lease } from '@pictor/protocol';
import type { ContentCache, SnapshotHold } from '../cache/open-content-cache.ts';
import type { GrantSource } from '../content/retry-transfer.ts';

/** A frame of a lease that the agent has not finished. */
export interface FrameInWork {
  frame: Lease['frames'][number];
  /** Aborts when this frame is to be stopped, or its lease is lost. */
  signal: AbortSignal;
}

/** A lease in the agent's hands, from its arrival until every frame of it is reported, stopped or given back. */
export interface HeldLease {
  lease: Lease;
  hold: SnapshotHold;
  grant: GrantSource;
  /** Aborts when the lease is not the agent's any more. */
  signal: AbortSignal;
  /** Settles when the files of the lease are here; begun when the lease arrived. */
  fetched: Promise<void>;
  /** Fetches what is missing once more. */
  fetchAgain(): Promise<void>;
  /** The next frame to render, in the lease's order; null where none is left. */
  takeFrame(): FrameInWork | null;
  /** Nothing was done for this frame yet: it is among the remaining ones again. */
  putBack(work: FrameInWork): void;
  /** How many frames nobody has begun. */
  remainingFrames(): number;
  /** The frame was reported or needs no report any more. */
  settle(attemptId: AttemptId): void;
  stopFrames(attemptIds: readonly AttemptId[], reason: string): void;
  /** Ends all work on the lease. */
  abort(reason: string): void;
  setGrant(grant: string): void;
  setProgress(attemptId: AttemptId, phase: FrameProgress['phase'], fraction: number): void;
  progress(): FrameProgress[];
}

export interface HeldLeaseOptions {
  lease: Lease;
  cache: ContentCache;
  /** A grant is too old: the next heartbeat brings a fresh one. */
  onGrantExpired(): void;
  onProgress(): void;
}

export function holdLease(options: HeldLeaseOptions): HeldLease {
  const { lease, cache } = options;
  const hold = cache.hold(lease.snapshotId, lease.manifest);
  const ending = new AbortController();
  const waiting = lease.frames.map((frame) => ({ frame, stop: new AbortController() }));
  const begun = new Map<AttemptId, { stop: AbortController; startedAt: number }>();
  const progress = new Map<AttemptId, FrameProgress>();
  let grantText = lease.grant;
  const grant: GrantSource = {
    current: () => grantText,
    refresh() {
      options.onGrantExpired();
      return true;
    },
  };

  function setProgress(attemptId: AttemptId, phase: FrameProgress['phase'], fraction: number): void {
    const startedAt = begun.get(attemptId)?.startedAt;
    if (startedAt !== undefined) {
      progress.set(attemptId, {
        attemptId,
        phase,
        fraction: Math.min(1, Math.max(0, fraction)),
        elapsedSeconds: (performance.now() - startedAt) / 1000,
      });
      options.onProgress();
    }
  }

  const fetchFiles = (): Promise<void> =>
    hold.fetch({ grant, signal: ending.signal }, (fraction) => {
      for (const attemptId of begun.keys()) {
        setProgress(attemptId, 'downloading', fraction);
      }
    });
  const fetched = fetchFiles();
  // A lease may be lost before anybody waits for its files.
  fetched.catch(() => undefined);

  return {
    lease,
    hold,
    grant,
    signal: ending.signal,
    fetched,
    fetchAgain: fetchFiles,
    takeFrame() {
      const next = waiting.shift();
      if (next === undefined) {
        return null;
      }
      begun.set(next.frame.attemptId, { stop: next.stop, startedAt: performance.now() });
      return { frame: next.frame, signal: AbortSignal.any([ending.signal, next.stop.signal]) };
    },
    putBack({ frame }) {
      const stop = begun.get(frame.attemptId)?.stop;
      if (stop !== undefined && !stop.signal.aborted) {
        begun.delete(frame.attemptId);
        progress.delete(frame.attemptId);
        waiting.unshift({ frame, stop });
      }
    },
    remainingFrames: () => waiting.length,
    settle(attemptId) {
      begun.delete(attemptId);
      progress.delete(attemptId);
    },
    stopFrames(attemptIds, reason) {
      for (const attemptId of attemptIds) {
        const position = waiting.findIndex(({ frame }) => frame.attemptId === attemptId);
        if (position >= 0) {
          waiting.splice(position, 1);
        }
        begun.get(attemptId)?.stop.abort(new Error(reason));
      }
    },
    abort(reason) {
      waiting.length = 0;
      ending.abort(new Error(reason));
    },
    setGrant(fresh) {
      grantText = fresh;
    },
    setProgress,
    progress: () => [...progress.values()],
  };
}
