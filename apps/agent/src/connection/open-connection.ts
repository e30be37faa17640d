import { hostname } from 'node:os';
import {
  AgentMessage,
  PICTOR_VERSION,
  PROTOCOL_VERSION,
  proofText,
  REFUSALS,
  ServerMessage,
  type WorkerConfig,
} from '@pictor/protocol';
import WebSocket from 'ws';
import type { z } from 'zod';
import type { Identity } from '../identity/load-identity.ts';
import { log } from '../log.ts';
import { createBackoff } from './backoff.ts';

export type Welcome = Extract<ServerMessage, { type: 'welcome' }>;
export type Refused = Extract<ServerMessage, { type: 'refused' }>;
/** What the server says once the agent was welcomed. */
export type WorkMessage = Exclude<ServerMessage, Welcome | Refused | { type: 'challenge' }>;

export interface ConnectionOptions {
  config: WorkerConfig;
  identity: Identity;
  onWelcome(welcome: Welcome): void;
  onMessage(message: WorkMessage): void;
  /** Only after a welcome. */
  onDisconnected(reason: string): void;
  /** A final refusal: the connection is not tried again. */
  onRefused(refusal: Refused): void;
}

/** The one outbound connection to the server, made again whenever it breaks (SPEC.md, H). */
export interface Connection {
  /** False where there is no welcomed connection: the message is dropped. */
  send(message: z.input<typeof AgentMessage>): boolean;
  isWelcomed(): boolean;
  /** Ends the connection for good; resolves when the socket is closed. */
  close(): Promise<void>;
}

const HANDSHAKE_MS = 15_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
/** Heartbeats that may stay unanswered before the connection counts as dead. */
const SILENT_HEARTBEATS = 4;

export function openConnection(options: ConnectionOptions): Connection {
  const { config, identity } = options;
  const backoff = createBackoff(FIRST_WAIT_MS, LONGEST_WAIT_MS);
  const address = socketAddress(config.server);
  let socket: WebSocket | null = null;
  let welcomed = false;
  let ended = false;
  let retryTimer: NodeJS.Timeout | null = null;
  let silenceTimer: NodeJS.Timeout | null = null;

  function connect(): void {
    retryTimer = null;
    const current = new WebSocket(address, { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS });
    socket = current;
    let problem = '';
    watchSilence(current, HANDSHAKE_MS);
    current.on('open', () => {
      write(current, {
        type: 'hello',
        protocolVersion: PROTOCOL_VERSION,
        agentVersion: PICTOR_VERSION,
        workerId: config.workerId,
        publicKey: identity.publicKey,
        ...(identity.isEnrolled() ? {} : { enrolmentCode: config.enrolmentCode }),
        hostname: hostname().slice(0, 255),
        instanceId: identity.instanceId,
      });
    });
    current.on('message', (data) => receive(current, data.toString()));
    current.on('error', (error) => {
      problem = error.message;
    });
    current.on('close', (code) => {
      disconnected(current, problem || `the server closed the connection (${code})`);
    });
  }

  function receive(from: WebSocket, text: string): void {
    const message = parseMessage(text);
    if (message === null || from !== socket) {
      return;
    }
    switch (message.type) {
      case 'challenge':
        write(from, {
          type: 'proof',
          signature: identity.sign(proofText(message.nonce, config.workerId)),
        });
        return;
      case 'refused':
        refused(from, message);
        return;
      case 'welcome':
        welcome(from, message);
        return;
      default:
        silenceTimer?.refresh();
        options.onMessage(message);
    }
  }

  function welcome(from: WebSocket, message: Welcome): void {
    if (message.protocolVersion < PROTOCOL_VERSION) {
      refused(from, { type: 'refused', reason: 'server-too-old', message: REFUSALS['server-too-old'].sentence });
      return;
    }
    welcomed = true;
    backoff.reset();
    watchSilence(from, message.heartbeatSeconds * SILENT_HEARTBEATS * 1000);
    options.onWelcome(message);
  }

  function refused(from: WebSocket, message: Refused): void {
    if (REFUSALS[message.reason].final) {
      ended = true;
      from.close();
      options.onRefused(message);
      return;
    }
    log('warn', 'The server refused the connection.', { reason: message.reason, detail: message.message });
    from.close();
  }

  function disconnected(from: WebSocket, reason: string): void {
    if (from !== socket) {
      return;
    }
    const wasWelcomed = welcomed;
    welcomed = false;
    socket = null;
    clearTimer(silenceTimer);
    if (wasWelcomed) {
      options.onDisconnected(reason);
    } else if (!ended) {
      log('warn', `${config.server} does not answer.`, { reason });
    }
    if (!ended) {
      retryTimer = setTimeout(connect, backoff.nextMs());
    }
  }

  /** A server that went away without closing (network gone, machine frozen) would else be waited for for ever. */
  function watchSilence(current: WebSocket, milliseconds: number): void {
    clearTimer(silenceTimer);
    silenceTimer = setTimeout(() => current.terminate(), milliseconds);
  }

  connect();
  return {
    send(message) {
      return socket !== null && welcomed && write(socket, message);
    },
    isWelcomed: () => welcomed,
    close() {
      ended = true;
      clearTimer(retryTimer);
      clearTimer(silenceTimer);
      const current = socket;
      if (current === null || current.readyState === WebSocket.CLOSED) {
        return Promise.resolve();
      }
      return new Promise((resolve) => {
        const impatient = setTimeout(() => current.terminate(), 1000);
        current.once('close', () => {
          clearTimeout(impatient);
          resolve();
        });
        current.close();
      });
    },
  };
}

function write(socket: WebSocket, message: z.input<typeof AgentMessage>): boolean {
  if (socket.readyState !== WebSocket.OPEN) {
    return false;
  }
  // Checked here once, the server need not guess what an agent of the same version meant.
  socket.send(JSON.stringify(AgentMessage.parse(message)));
  return true;
}

function parseMessage(text: string): ServerMessage | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    log('error', 'The server sent something that is not JSON.', { bytes: text.length });
    return null;
  }
  const parsed = ServerMessage.safeParse(json);
  if (!parsed.success) {
    log('error', 'The server sent a message that the protocol does not know.', {
      type: (json as { type?: unknown } | null)?.type,
      issues: parsed.error.issues.slice(0, 5),
    });
    return null;
  }
  return parsed.data;
}

/** `http://server:7878/base` → `ws://server:7878/base/v1/agent`. */
function socketAddress(server: string): string {
  const url = new URL(server);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/agent`;
  return url.href;
}

function clearTimer(timer: NodeJS.Timeout | null): void {
  if (timer !== null) {
    clearTimeout(timer);
  }
}
