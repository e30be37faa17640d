import { type Job, PictorError } from '@pictor/protocol';
import type { Reporter } from '../terminal/create-reporter.ts';
import { count } from '../terminal/format-quantities.ts';
import type { Interruption } from '../terminal/interruption.ts';
import { ask } from './ask.ts';
import { followJob } from './follow-job.ts';
import type { JobNetwork } from './open-network.ts';

const QUESTION = 'Shall the job go on in the background, or be canceled? [b = background, c = cancel] ';

/**
 * Follows a job until its frames are in `out`. On the first Ctrl-C on a terminal asks whether it goes on in the background; any other
 * interruption cancels it. Returns whether it was left to go on.
 *
 * @throws PictorError `job-failed` where frames are missing in the end
 */
export async function finishOrLeave(options: {
  network: JobNetwork;
  job: Job;
  out: string;
  /** Whether there is somebody to ask. */
  mayAsk: boolean;
  reporter: Reporter;
  interruption: Interruption;
}): Promise<boolean> {
  const { network, job, out, reporter, interruption } = options;
  const { client } = network;
  const started = performance.now();
  const leaving = new AbortController();
  const questionOver = new AbortController();
  if (options.mayAsk) {
    interruption.setQuestion(() => {
      reporter.pause();
      process.stdout.write('\n');
      void ask({
        question: QUESTION,
        choices: ['b', 'c'],
        signal: questionOver.signal,
        onInterrupt: () => interruption.interrupt(),
      }).then((answer) => {
        if (questionOver.signal.aborted) return;
        reporter.resume();
        if (answer === 'b') leaving.abort();
        else interruption.interrupt();
      });
    });
  }
  try {
    const result = await followJob({
      client,
      jobId: job.jobId,
      out,
      signal: AbortSignal.any([interruption.signal, leaving.signal]),
      report: reporter.report,
    });
    questionOver.abort();
    reporter.resume();
    reporter.report({
      event: 'finished',
      jobId: job.jobId,
      status: result.status,
      succeeded: result.succeeded,
      failed: result.failed,
      files: result.files,
      out,
      seconds: (performance.now() - started) / 1000,
    });
    if (result.status !== 'completed') {
      const reason = result.reason ? `: ${result.reason}` : '.';
      throw new PictorError('job-failed', `The job ${job.jobId} was not finished, it is ${result.status}${reason}`);
    }
    if (result.failed > 0) {
      throw new PictorError(
        'job-failed',
        `${count(result.failed, 'frame')} of ${job.frameCount} could not be rendered, for the reasons above. The others are in ${out}.`,
      );
    }
    return false;
  } catch (error) {
    if (leaving.signal.aborted) {
      await leave(options);
      return true;
    }
    if (interruption.signal.aborted || network.embedded) await cancel(network, job);
    else if (!(error instanceof PictorError && error.code === 'job-failed'))
      sayWhereItGoesOn(network, job, out, reporter);
    throw error;
  } finally {
    questionOver.abort();
    interruption.setQuestion(null);
  }
}

async function leave(options: { network: JobNetwork; job: Job; out: string; reporter: Reporter }): Promise<void> {
  const { network, job, out, reporter } = options;
  const { jobId } = job;
  const say = (message: string) => reporter.report({ event: 'note', message });
  if (network.embedded) {
    const { logFile } = await network.embedded.leave({ do: 'finish', jobId, out });
    say(`job ${jobId} goes on in the background; its frames come to ${out}, its log to ${logFile}`);
  } else {
    sayWhereItGoesOn(network, job, out, reporter);
  }
  say(`watch it: pictor job watch ${jobId}   cancel it: pictor job cancel ${jobId}`);
}

function sayWhereItGoesOn(network: JobNetwork, { jobId }: Job, out: string, reporter: Reporter): void {
  const message = `job ${jobId} goes on at ${network.url}; fetch its frames with: pictor job download ${jobId} --out ${out}`;
  reporter.report({ event: 'note', message });
}

/** Where the server is gone there is nothing to cancel, and the first error is the one to tell. */
async function cancel(network: JobNetwork, job: Job): Promise<void> {
  await network.client.cancelJob({ params: { jobId: job.jobId } }).catch((error) => {
    if (!(error instanceof PictorError)) throw error;
  });
}
