import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { sandboxUnavailable } from './sandbox-unavailable.ts';

const READY_WITHIN_MS = 30_000;
const COMPLAINT_BYTES = 4_000;

/** Waits for the inner script's word; returns the id of the sandbox's init process, null without walls. */
export async function readyOrDead(
  status: Readable | null,
  ready: Readable,
  stderr: Readable,
  exit: Promise<{ code: number | null; signal: string | null }>,
): Promise<number | null> {
  const timeout = AbortSignal.timeout(READY_WITHIN_MS);
  const late = new Promise<never>((_, reject) => {
    timeout.addEventListener('abort', () =>
      reject(sandboxUnavailable(`it was not ready within ${READY_WITHIN_MS / 1000} s`)),
    );
  });
  late.catch(() => undefined);
  const initPid = status && childPid(status);
  initPid?.catch(() => undefined);
  if (await Promise.race([isSpoken(ready), late])) return initPid && (await Promise.race([initPid, late]));
  const { code, signal } = await Promise.race([exit, late]);
  const complaint = (await Promise.race([text(stderr), late])).slice(-COMPLAINT_BYTES).trim();
  throw sandboxUnavailable(complaint || `it ended with ${signal ?? `exit code ${code}`} before it was ready`);
}

/** Whether something was said before the end; only our own script runs before that. */
function isSpoken(ready: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    ready.once('data', () => resolve(true));
    ready.once('close', () => resolve(false));
  });
}

/** bwrap's first JSON document is `{ "child-pid": … }`. */
async function childPid(status: Readable): Promise<number> {
  let seen = '';
  return new Promise((resolve, reject) => {
    status.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      const pid = /"child-pid":\s*(\d+)/.exec(seen)?.[1];
      if (pid !== undefined) resolve(Number(pid));
    });
    status.on('end', () => reject(sandboxUnavailable('bubblewrap did not say what it started')));
  });
}
