import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, createApiClient } from '@pictor/api-client';
import { PictorError } from '@pictor/protocol';
import { z } from 'zod';
import { config } from '../config.ts';
import { followJob } from '../render/follow-job.ts';
import { cancelUnfinishedJobs } from './cancel-unfinished-jobs.ts';
import { takeEmbeddedSlot } from './embedded-slot.ts';
import { removeKeeper, writeKeeper } from './keeper-file.ts';
import { startNetwork } from './start-network.ts';

/** What the command tells its keeper, one JSON line each on the keeper's standard input. The end of that input means `stop`. */
export const KeeperOrder = z.discriminatedUnion('do', [
  z.object({ do: z.literal('stop') }),
  /** Stay up by yourself until a signal. */
  z.object({ do: z.literal('keep') }),
  /** Go on by yourself until the job has ended and its frames are in `out`. */
  z.object({ do: z.literal('finish'), jobId: z.string(), out: z.string() }),
]);
export type KeeperOrder = z.infer<typeof KeeperOrder>;

/** What the keeper tells, one JSON line each on its standard output, beside the events of the network. */
export type KeeperEvent =
  | { event: 'ready'; url: string; token: string; folder: string }
  | { event: 'failed'; code: string; message: string }
  /** The last order was taken; the keeper needs its command no more. */
  | { event: 'on-its-own' };

const emit = (event: KeeperEvent | { event: string }) => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};
/** So long the server may take to cancel what is left when the network stops. */
const CANCEL_MS = 10_000;

const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);

/**
 * Keeps an embedded network for one command, in a session of its own, so that neither Ctrl-C nor a crash of server or agent ends it.
 * It ends with its command, or, where it was told so, after the job is done.
 */
export async function runKeeper(options: { agents: number; blenders: string[] }): Promise<void> {
  // Its command may be gone; what it is told then is of no use to anybody.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  const ending = Promise.withResolvers<'stop' | 'server-failed'>();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => ending.resolve('stop'));
  const slot = await takeEmbeddedSlot(config.home);
  try {
    await writeKeeper(slot.folder, 'job');
    await keepNetwork(slot.folder, options, ending);
  } catch (error) {
    const code = error instanceof PictorError ? error.code : 'internal';
    emit({ event: 'failed', code, message: (error as Error).message });
    log(String((error as Error).stack));
    process.exitCode = 1;
  } finally {
    await removeKeeper(slot.folder);
  }
}

async function keepNetwork(
  folder: string,
  options: { agents: number; blenders: string[] },
  ending: PromiseWithResolvers<'stop' | 'server-failed'>,
): Promise<void> {
  const network = await startNetwork({
    dataDir: folder,
    listen: '127.0.0.1:0',
    ...options,
    onEvent: (event) => {
      log(JSON.stringify(event));
      emit(event);
      if (event.event === 'server-failed') ending.resolve('server-failed');
    },
  });
  const client = createApiClient({ url: network.url, token: network.token });
  try {
    // Left by a command that was killed: nobody waits for them.
    await cancelUnfinishedJobs(client);
    const orders = createInterface({ input: process.stdin });
    let isOnItsOwn = false;
    orders.on('close', () => {
      if (!isOnItsOwn) ending.resolve('stop');
    });
    orders.on('line', (line) => {
      const order = KeeperOrder.parse(JSON.parse(line));
      if (order.do === 'stop') return ending.resolve('stop');
      isOnItsOwn = true;
      log(JSON.stringify(order));
      if (order.do === 'keep') writeKeeper(folder, 'kept').catch(ending.reject);
      else finish(client, order).then(() => ending.resolve('stop'), ending.reject);
      emit({ event: 'on-its-own' });
    });
    emit({ event: 'ready', url: network.url, token: network.token, folder });
    const how = await ending.promise;
    if (how === 'stop') await cancelWithin(client, CANCEL_MS);
  } finally {
    await network.stop({ drain: false });
    log('stopped');
  }
}

/** A server that does not answer is stopped all the same: its jobs are canceled at its next start. */
async function cancelWithin(client: ApiClient, milliseconds: number): Promise<void> {
  const timer = new AbortController();
  await Promise.race([
    cancelUnfinishedJobs(client).catch((error) => log(`jobs were not canceled: ${error}`)),
    sleep(milliseconds, undefined, { signal: timer.signal }).catch(() => {}),
  ]);
  timer.abort();
}

async function finish(client: ApiClient, order: Extract<KeeperOrder, { do: 'finish' }>): Promise<void> {
  const result = await followJob({
    client,
    jobId: order.jobId,
    out: order.out,
    signal: new AbortController().signal,
    report: (event) => {
      if (event.event !== 'progress') log(JSON.stringify(event));
    },
  });
  log(`job ${order.jobId} ${result.status}: ${result.files} files in ${order.out}`);
}
