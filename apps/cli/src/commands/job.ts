import { resolve } from 'node:path';
import { type Frame, type Job, PictorError } from '@pictor/protocol';
import type { Command } from 'commander';
import { type Connection, connectForJob, connectToAll, type ServerOptions } from '../network/connect.ts';
import { followJob } from '../render/follow-job.ts';
import { checkOut } from '../render/out-folder.ts';
import { createReporter } from '../terminal/create-reporter.ts';
import { formatDuration } from '../terminal/format-quantities.ts';
import { formatTable } from '../terminal/format-table.ts';
import { createInterruption } from '../terminal/interruption.ts';
import { withServerOptions } from './options.ts';

type Options = ServerOptions & { json?: boolean };

/** `pictor job`: the jobs of a server, or of every network that is up on this machine. */
export function addJob(program: Command): void {
  const job = program
    .command('job')
    .description('List, show, watch, pause, resume, cancel, retry or download jobs')
    .addHelpText(
      'after',
      `
Examples:
  pictor job list
  pictor job watch job_0123456789abcdef
  pictor job download job_0123456789abcdef --out frames`,
    );
  withServerOptions(job.command('list').description('List jobs, newest first')).action(async (options: Options) => {
    const connections = await connectToAll(options);
    const lists = await Promise.all(connections.map(({ client }) => client.listJobs({})));
    const jobs = lists.flatMap((list) => list.jobs);
    if (options.json) for (const each of jobs) console.log(JSON.stringify(each));
    else console.log(jobs.length === 0 ? 'no jobs yet: pictor render scene.blend' : describeJobs(jobs));
  });
  withServerOptions(job.command('show').description('Show a job and its frames'))
    .argument('<job>', "the job's id")
    .action(async (jobId: string, options: Options) => {
      const { client } = await connectForJob(options, jobId);
      const [shown, { frames }] = await Promise.all([
        client.getJob({ params: { jobId } }),
        client.listFrames({ params: { jobId } }),
      ]);
      console.log(options.json ? JSON.stringify({ ...shown, frameList: frames }) : describeJob(shown, frames));
    });
  withServerOptions(job.command('watch').description('Follow a job until it ends; Ctrl-C stops watching only'))
    .argument('<job>', "the job's id")
    .action((jobId: string, options: Options) => follow(jobId, null, options));
  withServerOptions(job.command('download').description('Fetch the frames of a job as they get done, until it ends'))
    .argument('<job>', "the job's id")
    .option('--out <dir>', 'folder for the frames', 'pictor-render')
    .action((jobId: string, options: Options & { out: string }) => follow(jobId, options.out, options));
  addVerb(job, 'pause', 'Render no more frames of a job for now', (client, params) => client.pauseJob({ params }));
  addVerb(job, 'resume', 'Go on with a paused job', (client, params) => client.resumeJob({ params }));
  addVerb(job, 'cancel', 'Stop a job for good', (client, params) => client.cancelJob({ params }));
  addVerb(job, 'retry', 'Try the failed frames of a job again', (client, params) => client.retryJob({ params }));
}

function addVerb(
  parent: Command,
  verb: string,
  description: string,
  act: (client: Connection['client'], params: { jobId: string }) => Promise<Job>,
): void {
  withServerOptions(parent.command(verb).description(description))
    .argument('<job>', "the job's id, from pictor job list")
    .action(async (jobId: string, options: Options) => {
      const { client } = await connectForJob(options, jobId);
      const job = await act(client, { jobId });
      console.log(options.json ? JSON.stringify(job) : `job ${jobId}: ${job.status}`);
    });
}

async function follow(jobId: string, out: string | null, options: Options): Promise<void> {
  using interruption = createInterruption('no longer watching; the job goes on');
  using reporter = createReporter(options);
  if (out !== null) await checkOut(out);
  const { client } = await connectForJob(options, jobId);
  const started = performance.now();
  const result = await followJob({
    client,
    jobId,
    out: out === null ? null : resolve(out),
    signal: interruption.signal,
    report: reporter.report,
  });
  if (out !== null) {
    reporter.report({
      event: 'finished',
      jobId,
      status: result.status,
      succeeded: result.succeeded,
      failed: result.failed,
      files: result.files,
      out: resolve(out),
      seconds: (performance.now() - started) / 1000,
    });
  }
  if (result.status === 'failed') {
    throw new PictorError('job-failed', `The job ${jobId} has failed${result.reason ? `: ${result.reason}` : ''}.`);
  }
}

function doneOf(job: Job): number {
  return (job.counts.succeeded ?? 0) + (job.counts.accepted ?? 0);
}

function describeJobs(jobs: Job[]): string {
  return formatTable(
    ['job', 'status', 'frames', 'created', 'name'],
    jobs.map((job) => [
      job.jobId,
      job.status,
      `${doneOf(job)}/${job.frameCount}`,
      job.createdAt.slice(0, 16).replace('T', ' '),
      job.name,
    ]),
  );
}

function describeJob(job: Job, frames: Frame[]): string {
  const rows = frames.map((frame) => {
    const attempt = frame.attempts.at(-1);
    return [
      String(frame.number),
      frame.status,
      String(frame.attempts.length),
      attempt?.workerName ?? '',
      attempt?.renderSeconds == null ? '' : formatDuration(attempt.renderSeconds),
      frame.failure ?? (frame.status === 'succeeded' ? (frame.proof ?? '') : (attempt?.message ?? '')),
    ];
  });
  return [
    `${job.jobId}  ${job.name}`,
    `${job.status}${job.statusReason ? `: ${job.statusReason}` : ''}, ${doneOf(job)} of ${job.frameCount} frames (${job.frames})`,
    job.secondsLeft === null ? null : `${formatDuration(job.secondsLeft)} left`,
    '',
    formatTable(['frame', 'status', 'attempts', 'worker', 'took', 'remarks'], rows),
  ]
    .filter((line) => line !== null)
    .join('\n');
}
