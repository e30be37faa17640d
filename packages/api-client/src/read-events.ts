import { setTimeout as sleep } from 'node:timers/promises';
import { JobEvent, PictorError } from '@pictor/protocol';
import { send, unreachable } from './request-route.ts';
import type { ServerAddress } from './server-address.ts';

/** The server sends a heartbeat every 15 s: without three of them the connection is dead, whatever the socket says. */
const SILENCE_MS = 45_000;
const MAX_AWAY_MS = 5 * 60_000;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5000;

export async function* readEvents(
  server: ServerAddress,
  options: { jobId?: string; signal?: AbortSignal },
): AsyncGenerator<JobEvent> {
  const path = `/v1/events${options.jobId ? `?job=${encodeURIComponent(options.jobId)}` : ''}`;
  let cursor: string | null = null;
  let wasConnected = false;
  let awaySince: number | null = null;
  let waitMs = FIRST_WAIT_MS;
  while (!options.signal?.aborted) {
    try {
      for await (const message of readStream(server, path, cursor, options.signal)) {
        wasConnected = true;
        awaySince = null;
        waitMs = FIRST_WAIT_MS;
        if (message === 'connected') continue;
        cursor = message.id ?? cursor;
        // A newer server may tell of more than this version knows.
        const event = JobEvent.safeParse(message.data);
        if (event.success) yield event.data;
      }
    } catch (error) {
      if (options.signal?.aborted) return;
      const isPassing = error instanceof PictorError && PASSING.includes(error.code);
      awaySince ??= Date.now();
      if (!wasConnected || !isPassing || Date.now() - awaySince > MAX_AWAY_MS) throw error;
    }
    await sleep(waitMs * (0.5 + Math.random()), undefined, { signal: options.signal }).catch(() => {});
    waitMs = Math.min(waitMs * 2, MAX_WAIT_MS);
  }
}

const PASSING: string[] = ['server-unreachable', 'database-unavailable', 'internal'];

/** One connection: `connected`, then its messages, until it ends. */
async function* readStream(
  server: ServerAddress,
  path: string,
  cursor: string | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<'connected' | { id: string | null; data: unknown }> {
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(new Error('nothing was heard from it')), SILENCE_MS);
  try {
    const response = await send(server, path, {
      headers: { accept: 'text/event-stream', ...(cursor !== null && { 'last-event-id': cursor }) },
      signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
    });
    yield 'connected';
    const decoder = new TextDecoder();
    let text = '';
    for await (const bytes of response.body ?? []) {
      watchdog.refresh();
      text += decoder.decode(bytes, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) yield { id: /^id: (.*)$/m.exec(block)?.[1] ?? null, data: JSON.parse(data) };
      }
    }
  } catch (error) {
    throw error instanceof PictorError ? error : unreachable(server, error);
  } finally {
    clearTimeout(watchdog);
    // A reader that leaves the loop leaves the connection too.
    silence.abort();
  }
}
