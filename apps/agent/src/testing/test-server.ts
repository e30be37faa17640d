import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AgentMessage,
  CHUNK_BYTES,
  type Heartbeat,
  PROTOCOL_VERSION,
  proofText,
  type RefusalReason,
  type ReportOutcome,
  type ServerMessage,
  type SnapshotFile,
} from '@pictor/protocol';
import { onTestFinished } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { z } from 'zod';

type ReportMessage = Extract<AgentMessage, { type: 'report' }>;

/** A small server that speaks the agent's half of the protocol over real sockets; what it answers is up to the test. */
export interface TestServer {
  url: string;
  /** Everything agents said, in order. */
  received: AgentMessage[];
  reports: ReportMessage[];
  /** Chunks it has; the test may damage them. */
  chunks: Map<string, Buffer>;
  /** Hashes of the chunks that were asked for, and of those that were sent. */
  gets: string[];
  puts: string[];
  /** What the next answers to chunk requests are, before the chunks themselves. */
  refuse: { status: number; code: string }[];
  /** Grants that it takes; null: any. */
  grants: Set<string> | null;
  refusal: RefusalReason | null;
  heartbeatSeconds: number;
  /** Acknowledge reports; off: they are only kept. */
  acknowledges: boolean;
  outcomeOf(report: ReportMessage): ReportOutcome;
  send(message: z.input<typeof ServerMessage>): void;
  heartbeats(): Heartbeat[];
  /** Adds a file's chunks, and returns how a snapshot names it. */
  addFile(path: string, content: Buffer): SnapshotFile;
  isConnected(): boolean;
  /** Cuts every connection and takes no new ones until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  let http = createServer();
  let sockets = new WebSocketServer({ noServer: true });
  let port = 0;
  let live: WebSocket | null = null;
  let lastSequence = 0;

  const server: TestServer = {
    url: '',
    received: [],
    reports: [],
    chunks: new Map(),
    gets: [],
    puts: [],
    refuse: [],
    grants: null,
    refusal: null,
    heartbeatSeconds: 0.2,
    acknowledges: true,
    outcomeOf: () => 'recorded',
    send: (message) => live?.send(JSON.stringify(message)),
    heartbeats: () => server.received.filter((message) => message.type === 'heartbeat'),
    isConnected: () => live !== null,
    addFile(path, content) {
      const chunks: string[] = [];
      for (let start = 0; start < content.length; start += CHUNK_BYTES) {
        const chunk = content.subarray(start, start + CHUNK_BYTES);
        chunks.push(sha256(chunk));
        server.chunks.set(sha256(chunk), chunk);
      }
      return { path, sizeBytes: content.length, sha256: sha256(Buffer.from(chunks.join(''))), chunks };
    },
    async down() {
      live = null;
      for (const client of sockets.clients) {
        client.terminate();
      }
      sockets.close();
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
    async up() {
      http = createServer((request, response) => void answer(request, response));
      sockets = new WebSocketServer({ server: http, path: '/v1/agent' });
      sockets.on('connection', (socket) => greet(socket));
      http.listen(port, '127.0.0.1');
      await once(http, 'listening');
      port = (http.address() as AddressInfo).port;
      server.url = `http://127.0.0.1:${port}`;
    },
  };

  function greet(socket: WebSocket): void {
    const nonce = randomUUID();
    let hello: Extract<AgentMessage, { type: 'hello' }> | null = null;
    socket.on('close', () => {
      live = live === socket ? null : live;
    });
    const say = (message: z.input<typeof ServerMessage>): void => socket.send(JSON.stringify(message));
    socket.on('message', (data) => {
      const message = AgentMessage.parse(JSON.parse(String(data)));
      server.received.push(message);
      if (message.type === 'hello') {
        hello = message;
        say(
          server.refusal === null
            ? { type: 'challenge', nonce }
            : { type: 'refused', reason: server.refusal, message: 'The test refuses.' },
        );
      } else if (message.type === 'proof') {
        const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: hello?.publicKey } });
        const text = Buffer.from(proofText(nonce, hello?.workerId ?? ''));
        if (!verify(null, text, key, Buffer.from(message.signature, 'base64url'))) {
          say({ type: 'refused', reason: 'wrong-key', message: 'The proof is wrong.' });
          return;
        }
        live = socket;
        const { heartbeatSeconds } = server;
        say({ type: 'welcome', protocolVersion: PROTOCOL_VERSION, heartbeatSeconds, lastSequence });
      } else if (message.type === 'heartbeat') {
        say({ type: 'heartbeat-ack', renewed: [], lost: [] });
      } else if (message.type === 'report' && message.sequence > lastSequence) {
        server.reports.push(message);
        if (server.acknowledges) {
          lastSequence = message.sequence;
          say({ type: 'report-ack', sequence: message.sequence, outcome: server.outcomeOf(message), message: '' });
        }
      }
    });
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://test');
    const name = url.pathname.split('/').at(-1) ?? '';
    const body = Buffer.concat(await Array.fromAsync(request));
    (request.method === 'PUT' ? server.puts : server.gets).push(name);
    const refused = server.refuse.shift();
    if (refused !== undefined) {
      fail(response, refused.status, refused.code);
    } else if (server.grants !== null && !server.grants.has(url.searchParams.get('grant') ?? '')) {
      fail(response, 403, 'grant-expired');
    } else if (request.method === 'PUT') {
      if (sha256(body) === name) {
        server.chunks.set(name, body);
        response.writeHead(204).end();
      } else {
        fail(response, 422, 'chunk-mismatch');
      }
    } else {
      const chunk = server.chunks.get(name);
      if (chunk === undefined) {
        fail(response, 404, 'not-found');
      } else {
        response.writeHead(200, { 'content-length': chunk.length }).end(chunk);
      }
    }
  }

  await server.up();
  onTestFinished(() => server.down().catch(() => undefined));
  return server;
}

function fail(response: ServerResponse, status: number, code: string): void {
  const error = { code, message: `The test answers ${code}.`, details: {}, requestId: 'test' };
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
}

/** SHA-256 in hex. */
export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
