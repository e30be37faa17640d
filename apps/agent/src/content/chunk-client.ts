import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Why the server did not take or give a chunk, as far as the agent acts on it. */
export type ChunkProblem =
  /** Worth another try: the network, the server being away or in trouble. */
  | 'unreachable'
  /** The grant is too old: a fresh one comes with the next heartbeat. */
  | 'grant-expired'
  /** The grant does not open this chunk. */
  | 'forbidden'
  /** The server has no such chunk. */
  | 'unknown-chunk'
  /** The bytes are not those that the name promises. */
  | 'mismatch';

export class ChunkError extends Error {
  readonly problem: ChunkProblem;

  constructor(problem: ChunkProblem, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ChunkError';
    this.problem = problem;
  }
}

/** Reads and writes chunks of content at the server (SPEC.md, S2). Throws ChunkError; an abort rejects with the signal's reason. */
export interface ChunkClient {
  /** The bytes as they come, unchecked. */
  get(sha256: string, grant: string, signal: AbortSignal): Promise<Readable>;
  put(sha256: string, grant: string, body: () => Readable, sizeBytes: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Silence after which a transfer is given up and tried again. */
const SILENCE_MS = 30_000;
const CONNECTIONS = 8;

export function createChunkClient(server: string): ChunkClient {
  const base = server.replace(/\/$/, '');
  const isSecure = base.startsWith('https:');
  const connections = new (isSecure ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: CONNECTIONS });
  const request = isSecure ? httpsRequest : httpRequest;

  function start(method: 'GET' | 'PUT', sha256: string, grant: string, headers: Record<string, string | number>) {
    const url = `${base}/v1/agent/chunks/${sha256}?grant=${encodeURIComponent(grant)}`;
    const outgoing = request(url, { method, headers, agent: connections, timeout: SILENCE_MS });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no byte moved for ${SILENCE_MS / 1000} s`)));
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on('response', resolve);
      outgoing.on('error', (error) => reject(new ChunkError('unreachable', error.message, { cause: error })));
    });
    return { outgoing, response };
  }

  return {
    async get(sha256, grant, signal) {
      signal.throwIfAborted();
      const { outgoing, response } = start('GET', sha256, grant, {});
      const abort = (): void => void outgoing.destroy();
      signal.addEventListener('abort', abort, { once: true });
      outgoing.on('close', () => signal.removeEventListener('abort', abort));
      outgoing.end();
      const incoming = await unlessAborted(response, signal);
      if (incoming.statusCode !== 200) {
        throw await refusal(incoming, sha256);
      }
      return incoming;
    },
    async put(sha256, grant, body, sizeBytes, signal) {
      signal.throwIfAborted();
      const { outgoing, response } = start('PUT', sha256, grant, {
        'content-type': 'application/octet-stream',
        'content-length': sizeBytes,
      });
      // A server that refuses early answers before it has read the body: its answer says more than the broken pipe.
      const sent = pipeline(body(), outgoing, { signal }).then(
        () => null,
        (error: unknown) => error,
      );
      const incoming = await unlessAborted(response, signal);
      const status = incoming.statusCode ?? 0;
      if (status < 200 || status > 299) {
        throw await refusal(incoming, sha256);
      }
      incoming.resume();
      await sent;
    },
    close() {
      connections.destroy();
    },
  };
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

async function refusal(incoming: IncomingMessage, sha256: string): Promise<ChunkError> {
  const status = incoming.statusCode ?? 0;
  const { code, message } = await readErrorReply(incoming);
  const text = `chunk ${sha256}: ${message ?? `the server answered ${status}`}`;
  if (status === 404) {
    return new ChunkError('unknown-chunk', text);
  }
  if (status === 401 || status === 403) {
    return new ChunkError(code === 'grant-expired' ? code : 'forbidden', text);
  }
  return new ChunkError(code === 'chunk-mismatch' ? 'mismatch' : 'unreachable', text);
}

/** The beginning of the reply is enough: whatever answers may be no Pictor server at all. */
async function readErrorReply(incoming: IncomingMessage): Promise<{ code?: string; message?: string }> {
  let text = '';
  try {
    for await (const piece of incoming) {
      text += piece;
      if (text.length > 65_536) {
        break;
      }
    }
    const reply = JSON.parse(text) as { error?: { code?: string; message?: string } };
    return reply.error ?? {};
  } catch {
    return {};
  }
}
