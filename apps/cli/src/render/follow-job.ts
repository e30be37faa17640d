import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '@pictor/api-client';
import { type Job, type JobEvent, type JobStatus, PictorError } from '@pictor/protocol';
import type { Report } from '../terminal/cli-event.ts';
import { unlessAborted } from '../terminal/interruption.ts';
import { createDownloader } from './download-outputs.ts';
import { hasEnded } from './has-ended.ts';
import { createJobView, type JobView } from './job-view.ts';

export interface FollowOptions {
  client: ApiClient;
  jobId: string;
  /** Folder for the frames, each fetched as soon as it is done; null: only watch. */
  out: string | null;
  signal: AbortSignal;
  report: Report;
}

export interface JobResult {
  status: JobStatus;
  reason: string | null;
  succeeded: number;
  failed: number;
  /** Files fetched into `out`. */
  files: number;
}

const POLL_MS = 1500;
/** A server that is away for longer is given up; the job goes on there. */
const MAX_AWAY_MS = 5 * 60_000;

/**
 * Follows a job until it has ended, reports what happens, and fetches its frames as they get done.
 *
 * @throws PictorError `server-unreachable` when the server stays away, `disk-full` and others from writing; the signal's reason
 */
export async function followJob(options: FollowOptions): Promise<JobResult> {
  const { client, jobId, report } = options;
  const stopped = new AbortController();
  const signal = AbortSignal.any([options.signal, stopped.signal]);
  const view = createJobView(jobId, report);
  const downloader =
    options.out === null ? null : createDownloader({ client, jobId, out: options.out, report, signal });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  let nudge = new AbortController();
  const streaming = readEvents(client, jobId, signal, (event) => {
    view.apply(event);
    if (event.type === 'job.changed') nudge.abort();
    if (view.hasNewFrames()) downloader?.wake();
  }).catch(failed.reject);
  downloader?.failed.catch(failed.reject);
  const pause = async () => {
    await sleep(POLL_MS, undefined, { signal: AbortSignal.any([signal, nudge.signal]) }).catch(() => {});
    if (nudge.signal.aborted) nudge = new AbortController();
    signal.throwIfAborted();
  };
  try {
    const job = await unlessAborted(Promise.race([pollUntilEnded(client, jobId, pause, view), failed.promise]), signal);
    const { frames } = await client.listFrames({ params: { jobId } });
    view.showFrames(frames);
    view.showJob(job);
    const files = (await unlessAborted(downloader?.finish() ?? Promise.resolve(0), signal)) ?? 0;
    return {
      status: job.status,
      reason: job.statusReason,
      succeeded: (job.counts.succeeded ?? 0) + (job.counts.accepted ?? 0),
      failed: job.counts.failed ?? 0,
      files,
    };
  } finally {
    stopped.abort();
    await streaming;
    await downloader?.dispose();
  }
}

/** The job itself is asked for now and then: it holds what events do not, and shows the end even if an event of it was lost. */
async function pollUntilEnded(
  client: ApiClient,
  jobId: string,
  pause: () => Promise<void>,
  view: JobView,
): Promise<Job> {
  let awaySince: number | null = null;
  for (;;) {
    try {
      const job = await client.getJob({ params: { jobId } });
      awaySince = null;
      view.showJob(job);
      if (hasEnded(job.status)) return job;
    } catch (error) {
      if (!(error instanceof PictorError) || error.code !== 'server-unreachable') throw error;
      awaySince ??= Date.now();
      if (Date.now() - awaySince > MAX_AWAY_MS) throw error;
      view.showAway();
    }
    await pause();
  }
}

/** Reads the job's stream until `signal`; a stream that breaks off is opened again. */
async function readEvents(
  client: ApiClient,
  jobId: string,
  signal: AbortSignal,
  onEvent: (event: JobEvent) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const event of client.events({ jobId, signal })) onEvent(event);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof PictorError) || error.code !== 'server-unreachable') throw error;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {});
  }
}
