import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '@pictor/api-client';
import { type Output, PictorError } from '@pictor/protocol';
import type { Report } from '../terminal/cli-event.ts';
import { type OutFolder, prepareOut } from './out-folder.ts';

export interface Downloader {
  /** Frames got done: look for their files soon. */
  wake(): void;
  /** Fetches what is left. Returns how many files are there. */
  finish(): Promise<number>;
  /** Rejects when a file cannot be fetched or written; never resolves. */
  failed: Promise<never>;
  /** Waits until nothing is written any more; removes what is half made. */
  dispose(): Promise<void>;
}

const PARALLEL = 4;
const ATTEMPTS = 6;

/** Fetches the files of a job into a folder as its frames get done. */
export function createDownloader(options: {
  client: ApiClient;
  jobId: string;
  out: string;
  report: Report;
  signal: AbortSignal;
}): Downloader {
  const { client, jobId, report, signal } = options;
  const fetched = new Set<string>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  let folder: Promise<OutFolder> | null = null;
  let running: Promise<void> | null = null;
  let wanted = false;

  const fetchOne = async (output: Output) => {
    folder ??= prepareOut(options.out);
    const saving = await folder;
    await retrying(signal, () =>
      saving.save(output, (path) => client.downloadOutput(output.outputId, path, { signal })),
    );
    fetched.add(output.outputId);
    report({ event: 'downloaded', jobId, path: output.path, sizeBytes: output.sizeBytes });
  };

  const fetchNew = async (): Promise<number> => {
    const started = performance.now();
    const { outputs } = await retrying(signal, () => client.listOutputs({ params: { jobId } }));
    const seconds = (performance.now() - started) / 1000;
    const queue = outputs.filter((output) => !fetched.has(output.outputId));
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        for (let output = queue.shift(); output; output = queue.shift()) {
          signal.throwIfAborted();
          await fetchOne(output);
        }
      }),
    );
    return seconds;
  };

  const run = async () => {
    while (wanted && !signal.aborted) {
      wanted = false;
      const listSeconds = await fetchNew();
      // The list grows with the job: asking for it never takes more than a twentieth of the time.
      await sleep(Math.max(300, listSeconds * 20_000), undefined, { signal }).catch(() => {});
    }
  };

  return {
    wake: () => {
      wanted = true;
      running ??= run()
        .catch((error) => {
          if (!signal.aborted) failure.reject(error);
        })
        .finally(() => {
          running = null;
        });
    },
    finish: async () => {
      wanted = false;
      await Promise.race([running, failure.promise]);
      await fetchNew();
      return fetched.size;
    },
    failed: failure.promise,
    dispose: async () => {
      wanted = false;
      await running;
      await (await folder)?.dispose();
    },
  };
}

async function retrying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PictorError) || error.code !== 'server-unreachable' || attempt === ATTEMPTS) throw error;
      await sleep(300 * 2 ** attempt, undefined, { signal });
    }
  }
}
