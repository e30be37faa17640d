import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  type AgentMessage,
  type Capabilities,
  type DeliveredOutput,
  type FailureKind,
  type InspectionReport,
  type InspectTask,
  type Lease,
  PROTOCOL_VERSION,
  proofText,
  type Report,
  receiptText,
  ServerMessage,
  type SnapshotFile,
  type WorkerConfig,
} from '@pictor/protocol';
import WebSocket from 'ws';
import type { z } from 'zod';
import type { ObjectStore } from '../assets/index.ts';
import { fileOf, sha256 } from './test-app.ts';

export const BLENDER_SHA256 = sha256('blender 3.4.1');

/** What a worker with one CPU and one Blender says of itself. */
export const someCapabilities = (overrides: Partial<Capabilities> = {}): Capabilities => ({
  agentVersion: '0.1.0',
  platform: 'linux-x64',
  cpuModel: 'a processor',
  cpuThreads: 2,
  memoryBytes: 4e9,
  diskFreeBytes: 1e10,
  devices: [{ deviceId: 'cpu', kind: 'CPU', name: 'a processor', backend: null, memoryBytes: 4e9 }],
  builds: [
    {
      path: '/opt/blender',
      version: '3.4.1',
      sha256: BLENDER_SHA256,
      engines: ['CYCLES', 'EEVEE', 'WORKBENCH'],
      denoisers: [],
    },
  ],
  sandbox: 'bubblewrap',
  sandboxProblems: [],
  ...overrides,
});

/** A PNG's first bytes, and something that differs from frame to frame. */
export const picture = (text: string) => Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from(text)]);

export interface AgentKey {
  privateKey: KeyObject;
  publicKey: string;
}

export function makeKey(): AgentKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: publicKey.export({ format: 'jwk' }).x as string };
}

type Message<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/**
 * An agent that speaks the protocol over a real WebSocket with a real key, and renders nothing: tests say what it delivers. Its
 * messages are kept until a test takes them.
 */
export class FakeAgent {
  readonly key: AgentKey;
  readonly config: WorkerConfig;
  instanceId: string;
  sequence = 0;
  readonly #store: ObjectStore;
  #socket: WebSocket | null = null;
  #inbox: ServerMessage[] = [];
  #wakes: (() => void)[] = [];
  closed = Promise.withResolvers<void>();

  constructor(config: WorkerConfig, store: ObjectStore, options: { key?: AgentKey; instanceId?: string } = {}) {
    this.config = config;
    this.#store = store;
    this.key = options.key ?? makeKey();
    this.instanceId = options.instanceId ?? crypto.randomUUID();
  }

  /** Opens the socket and goes through the handshake. Returns what the server said to it. */
  async connect(
    hello: Partial<Extract<z.input<typeof AgentMessage>, { type: 'hello' }>> = {},
    proofKey: KeyObject = this.key.privateKey,
  ): Promise<Message<'welcome'> | Message<'refused'>> {
    await this.open();
    this.send({
      type: 'hello',
      protocolVersion: PROTOCOL_VERSION,
      agentVersion: '0.1.0',
      workerId: this.config.workerId,
      publicKey: this.key.publicKey,
      enrolmentCode: this.config.enrolmentCode,
      hostname: `host-of-${this.config.name}`,
      instanceId: this.instanceId,
      ...hello,
    });
    const answer = await this.take('challenge', 'refused');
    if (answer.type === 'refused') return answer;
    const text = proofText(answer.nonce, this.config.workerId);
    this.send({ type: 'proof', signature: sign(null, Buffer.from(text), proofKey).toString('base64url') });
    const welcome = await this.take('welcome', 'refused');
    if (welcome.type === 'welcome') this.sequence = Math.max(this.sequence, welcome.lastSequence);
    return welcome;
  }

  async open(): Promise<void> {
    const socket = new WebSocket(`${this.config.server.replace(/^http/, 'ws')}/v1/agent`);
    this.#socket = socket;
    this.#inbox = [];
    this.closed = Promise.withResolvers<void>();
    const { closed } = this;
    socket.on('message', (data) => {
      this.#inbox.push(ServerMessage.parse(JSON.parse(String(data))));
      for (const wake of this.#wakes.splice(0)) wake();
    });
    socket.on('close', () => closed.resolve());
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
  }

  /** Connects and says what it can do. */
  async start(capabilities: Partial<Capabilities> = {}): Promise<this> {
    const answer = await this.connect();
    if (answer.type === 'refused') throw new Error(`refused: ${answer.reason}: ${answer.message}`);
    this.send({ type: 'capabilities', capabilities: someCapabilities(capabilities) });
    return this;
  }

  send(message: z.input<typeof AgentMessage>): void {
    this.sendText(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.#socket?.send(text);
  }

  /** The next message of these types, now or when it comes. */
  async take<Type extends ServerMessage['type']>(...types: Type[]): Promise<Message<Type>> {
    const deadline = AbortSignal.timeout(20_000);
    for (;;) {
      const index = this.#inbox.findIndex((message) => (types as string[]).includes(message.type));
      if (index !== -1) return this.#inbox.splice(index, 1)[0] as Message<Type>;
      await new Promise<void>((resolve, reject) => {
        this.#wakes.push(resolve);
        deadline.addEventListener('abort', () =>
          reject(
            new Error(`${this.config.name} got no ${types.join(' or ')}; it has ${this.#inbox.map((m) => m.type)}`),
          ),
        );
      });
    }
  }

  /** Messages of a type that came and were not taken. */
  kept<Type extends ServerMessage['type']>(type: Type): Message<Type>[] {
    return this.#inbox.filter((message): message is Message<Type> => message.type === type);
  }

  async lease(): Promise<Lease> {
    return (await this.take('lease')).lease;
  }

  async inspectTask(): Promise<InspectTask> {
    return (await this.take('inspect')).task;
  }

  async report(report: Report, sequence = ++this.sequence): Promise<Message<'report-ack'>> {
    this.send({ type: 'report', sequence, report });
    const ack = await this.take('report-ack');
    if (ack.sequence !== sequence) throw new Error(`report ${sequence} was answered as ${ack.sequence}`);
    return ack;
  }

  /** Stores a picture and says that the frame is delivered. */
  async deliver(lease: Lease, frame: Lease['frames'][number], options: { seconds?: number; bytes?: Buffer } = {}) {
    return this.report(await this.delivery(lease, frame, options));
  }

  async delivery(
    lease: Lease,
    frame: Lease['frames'][number],
    { seconds = 1, bytes = picture(`frame ${frame.number}`) }: { seconds?: number; bytes?: Buffer } = {},
  ): Promise<Extract<Report, { kind: 'frame-delivered' }>> {
    const path = `${String(frame.number).padStart(4, '0')}.png`;
    const output: DeliveredOutput = {
      kind: 'picture',
      ...fileOf(path, bytes),
      pixelSha256: sha256(`pixels of ${frame.number}`),
      width: 64,
      height: 36,
    };
    await this.#store.writeChunk(sha256(bytes), only(bytes));
    return this.deliveryOf(lease, frame, [output], seconds);
  }

  deliveryOf(
    lease: Lease,
    frame: Lease['frames'][number],
    outputs: DeliveredOutput[],
    seconds = 1,
  ): Extract<Report, { kind: 'frame-delivered' }> {
    const text = receiptText(frame.attemptId, outputs);
    return {
      kind: 'frame-delivered',
      leaseId: lease.leaseId,
      token: lease.token,
      attemptId: frame.attemptId,
      outputs,
      renderSeconds: seconds,
      totalSeconds: seconds,
      peakMemoryBytes: 1e8,
      deviceId: lease.deviceId,
      blenderSha256: lease.blenderSha256,
      warm: true,
      signature: sign(null, Buffer.from(text), this.key.privateKey).toString('base64url'),
      log: 'Fra:1 Mem:8.00M',
    };
  }

  fail(lease: Lease, frame: Lease['frames'][number], failure: FailureKind = 'blender-crashed', message = 'it broke') {
    return this.report({
      kind: 'frame-failed',
      leaseId: lease.leaseId,
      token: lease.token,
      attemptId: frame.attemptId,
      failure,
      message,
      log: '',
    });
  }

  inspected(task: InspectTask, report: InspectionReport, bakedFile?: SnapshotFile) {
    return this.report({ kind: 'inspection-succeeded', inspectionId: task.inspectionId, report, bakedFile });
  }

  async heartbeat(
    leases: readonly Pick<Lease, 'leaseId' | 'token'>[],
    overrides: Partial<Extract<z.input<typeof AgentMessage>, { type: 'heartbeat' }>> = {},
  ): Promise<Message<'heartbeat-ack'>> {
    this.send({
      type: 'heartbeat',
      leases: leases.map(({ leaseId, token }) => ({ leaseId, token })),
      warm: [],
      cached: [],
      progress: [],
      telemetry: { cpuLoad: 0.5, memoryUsedBytes: 1e9, diskFreeBytes: 1e10, gpus: [] },
      draining: false,
      ...overrides,
    });
    return this.take('heartbeat-ack');
  }

  /** Closes the socket without a word, as kill -9 does. */
  async vanish(): Promise<void> {
    this.#socket?.terminate();
    await this.closed.promise;
  }
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
