import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PictorError } from '@pictor/protocol';
import { refusal, requestRoute, unreachable, urlOf } from './request-route.ts';
import type { ServerAddress } from './server-address.ts';

/** Asks for and sends chunks, over a few connections that stay open, again and again where the network fails. */
export interface ChunkSender {
  /** Which of these the server lacks. What it was known to have is not asked for again. */
  findMissing(chunks: string[]): Promise<string[]>;
  /** `onSent` gets the bytes that went out since its last call; negative where they have to go again. */
  send(sha256: string, bytes: Buffer, onSent: (bytes: number) => void): Promise<void>;
  close(): void;
}

const ATTEMPTS = 8;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 15_000;
/** A connection on which nothing moves for so long is given up. */
const SILENCE_MS = 60_000;
/** Sent in slices, so that progress moves on a slow line. */
const SLICE_BYTES = 1024 * 1024;

/** Failures that another try may mend. A chunk that arrived damaged is one: the bytes here are the right ones. */
const PASSING: string[] = ['server-unreachable', 'database-unavailable', 'internal', 'chunk-mismatch'];

export function createChunkSender(server: ServerAddress, connections: number, signal: AbortSignal): ChunkSender {
  const isSecure = new URL(server.url).protocol === 'https:';
  const options = { keepAlive: true, maxSockets: connections };
  const agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  const open = isSecure ? httpsRequest : httpRequest;
  const present = new Set<string>();

  const retrying = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 1, waitMs = FIRST_WAIT_MS; ; attempt++, waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof PictorError) || !PASSING.includes(error.code) || attempt === ATTEMPTS) throw error;
        await sleep(waitMs * (0.5 + Math.random()), undefined, { signal });
      }
    }
  };

  const put = async (sha256: string, bytes: Buffer, onSent: (bytes: number) => void): Promise<void> => {
    const upload = open(urlOf(server, `/v1/chunks/${sha256}`), {
      method: 'PUT',
      agent,
      signal,
      timeout: SILENCE_MS,
      headers: {
        ...(server.token && { authorization: `Bearer ${server.token}` }),
        'content-type': 'application/octet-stream',
        'content-length': bytes.length,
      },
    });
    upload.on('timeout', () => upload.destroy(new Error('nothing was heard from it')));
    const replied = readReply(upload);
    pipeline(Readable.from(slices(bytes, onSent), { objectMode: false, highWaterMark: SLICE_BYTES }), upload).catch(
      // Told by `replied`: either what broke the connection, or a refusal that came before the end of the chunk.
      () => {},
    );
    let reply: { status: number; body: string };
    try {
      reply = await replied;
    } catch (error) {
      throw unreachable(server, error);
    }
    if (reply.status < 300) return;
    upload.destroy();
    throw refusal(server, reply.status, parseJson(reply.body));
  };

  return {
    async findMissing(chunks) {
      const unknown = [...new Set(chunks)].filter((sha256) => !present.has(sha256));
      if (unknown.length === 0) return [];
      const { missing } = await retrying(() =>
        requestRoute<{ missing: string[] }>(server, 'findMissingChunks', { body: { chunks: unknown } }),
      );
      const lacking = new Set(missing);
      for (const sha256 of unknown) if (!lacking.has(sha256)) present.add(sha256);
      return missing;
    },
    async send(sha256, bytes, onSent) {
      await retrying(async () => {
        let sentBytes = 0;
        try {
          await put(sha256, bytes, (count) => {
            sentBytes += count;
            onSent(count);
          });
        } catch (error) {
          onSent(-sentBytes);
          throw error;
        }
      });
      present.add(sha256);
    },
    close: () => agent.destroy(),
  };
}

function* slices(bytes: Buffer, onSent: (bytes: number) => void): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    const slice = bytes.subarray(at, at + SLICE_BYTES);
    yield slice;
    // The next one is asked for when this one went to the socket.
    onSent(slice.length);
  }
}

function readReply(upload: ClientRequest): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    upload.once('error', reject);
    upload.once('close', () => reject(new Error('the connection was closed')));
    upload.once('response', (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        body += text;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
