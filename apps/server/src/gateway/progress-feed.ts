import type { JobEvent, JobId } from '@pictor/protocol';
import type { EventFeed } from '../outbox/index.ts';
import type { Presence } from '../workers/index.ts';

type ProgressEvent = Extract<JobEvent, { type: 'frames.progress' }>;

/** Tells watchers how far the frames of jobs are: for each job all that is known, a few times a second at most. */
export interface ProgressFeed {
  /** Something of these jobs changed. */
  touch(jobIds: Iterable<JobId>): void;
  close(): void;
}

const FLUSH_MS = 250;

export function createProgressFeed(presence: Presence, feed: Pick<EventFeed, 'broadcast'>): ProgressFeed {
  const touched = new Set<JobId>();
  let timer: NodeJS.Timeout | null = null;
  const flush = () => {
    timer = null;
    const events = new Map<JobId, ProgressEvent>();
    for (const jobId of touched) events.set(jobId, { type: 'frames.progress', jobId, progress: [] });
    touched.clear();
    for (const worker of presence.list()) {
      for (const progress of worker.progress.values()) {
        const attempt = worker.attempts.get(progress.attemptId);
        if (!attempt) continue;
        const entry = { ...progress, number: attempt.number, workerName: worker.name };
        events.get(attempt.jobId)?.progress.push(entry);
      }
    }
    for (const event of events.values()) feed.broadcast(event);
  };
  return {
    touch(jobIds) {
      for (const jobId of jobIds) touched.add(jobId);
      if (touched.size > 0) timer ??= setTimeout(flush, FLUSH_MS);
    },
    close() {
      if (timer) clearTimeout(timer);
    },
  };
}
