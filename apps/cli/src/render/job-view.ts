import type { Frame, FrameProgress, FrameStatus, Job, JobEvent } from '@pictor/protocol';
import type { Report } from '../terminal/cli-event.ts';

type Progress = FrameProgress & { number: number; workerName: string };

/** What is known of a job that is followed; reports every change of a frame once, and how far the job is. */
export interface JobView {
  apply(event: JobEvent): void;
  showJob(job: Job): void;
  showFrames(frames: Frame[]): void;
  /** The server does not answer at the moment. */
  showAway(): void;
  /** Whether a frame got done since this was asked last. */
  hasNewFrames(): boolean;
}

export function createJobView(jobId: string, report: Report): JobView {
  const statuses = new Map<number, FrameStatus>();
  let job: Job | null = null;
  let lastChange = '';
  let rendering: Progress[] = [];
  let hasNew = false;
  let isAway = false;

  const showFrame = (
    number: number,
    status: FrameStatus,
    worker: string | null,
    renderSeconds: number | null,
    message: string | null,
  ) => {
    const before = statuses.get(number);
    if (before === status || (before === undefined && status === 'enqueued')) return;
    statuses.set(number, status);
    if (status !== 'processing') rendering = rendering.filter((frame) => frame.number !== number);
    if (isDone(status)) {
      if (before !== undefined && isDone(before)) return;
      hasNew = true;
    }
    report({ event: 'frame', jobId, number, status, worker, renderSeconds, message });
  };

  const showProgress = () => {
    if (!job) return;
    const counts = { done: 0, failed: 0 };
    for (const status of statuses.values()) {
      if (isDone(status)) counts.done += 1;
      if (status === 'failed') counts.failed += 1;
    }
    report({
      event: 'progress',
      jobId,
      // Whichever knows more: the events of this stream, or the job as it was asked for last.
      done: Math.max(counts.done, (job.counts.succeeded ?? 0) + (job.counts.accepted ?? 0)),
      failed: Math.max(counts.failed, job.counts.failed ?? 0),
      total: job.frameCount,
      rendering: rendering.map((frame) => ({
        number: frame.number,
        worker: frame.workerName,
        phase: frame.phase,
        fraction: frame.fraction,
      })),
      framesPerMinute: job.framesPerMinute,
      secondsLeft: job.secondsLeft,
    });
  };

  return {
    apply: (event) => {
      switch (event.type) {
        case 'frames.changed':
          for (const frame of event.frames) {
            showFrame(frame.number, frame.status, frame.workerName, frame.renderSeconds, frame.message);
          }
          break;
        case 'frames.progress':
          rendering = event.progress.filter((frame) => statuses.get(frame.number) !== 'succeeded');
          break;
        case 'frame.alert':
          report({ event: 'alert', jobId, number: event.number, level: event.level, evidence: event.evidence });
          break;
        case 'resync':
          hasNew = true;
          break;
        case 'job.changed':
        case 'inspection.changed':
          break;
      }
      showProgress();
    },
    showJob: (next) => {
      isAway = false;
      job = next;
      const change = `${next.status} ${next.statusReason}`;
      if (change !== lastChange)
        report({ event: 'job-changed', jobId, status: next.status, reason: next.statusReason });
      lastChange = change;
      showProgress();
    },
    showFrames: (frames) => {
      for (const frame of frames) {
        const attempt = frame.attempts.at(-1);
        showFrame(
          frame.number,
          frame.status,
          attempt?.workerName ?? null,
          attempt?.renderSeconds ?? null,
          frame.failure ?? attempt?.message ?? null,
        );
      }
    },
    showAway: () => {
      if (!isAway) report({ event: 'warning', message: 'the server does not answer at the moment; waiting for it' });
      isAway = true;
    },
    hasNewFrames: () => {
      const had = hasNew;
      hasNew = false;
      return had;
    },
  };
}

function isDone(status: FrameStatus): boolean {
  return status === 'succeeded' || status === 'accepted';
}
