import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import { RenderFailure } from '../render-failure.ts';
import { Answer, Ready } from './driver-answers.ts';

/** The report of a large inspection is the longest line that an honest driver writes. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;
const MAX_MESSAGE_CHARACTERS = 4000;
const LINE_FEED = 10;

interface Waiting {
  id: number;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Blender ended, or closed its end of the channel. */
export class ChannelClosed extends Error {}

/** Something came out of the channel that the driver does not say. */
export class DriverMisbehaved extends Error {}

/** One command at a time over the driver's channel, each with its answer. */
export class DriverConnection {
  /** Resolves with Blender's version when the driver waits for commands. */
  readonly ready: Promise<string>;
  readonly #channel: Duplex;
  #chunks: Buffer[] = [];
  #bufferedBytes = 0;
  #lastId = 0;
  #waiting: Waiting | null = null;
  #closed: Error | null = null;
  #announceReady: (version: string) => void = () => {};
  #failReady: (error: Error) => void = () => {};

  constructor(channel: Duplex) {
    this.#channel = channel;
    this.ready = new Promise((resolve, reject) => {
      this.#announceReady = resolve;
      this.#failReady = reject;
    });
    // Nobody may be listening yet, or any more.
    this.ready.catch(() => {});
    channel.on('data', (chunk: Buffer) => this.#receive(chunk));
    channel.on('end', () => this.close(new ChannelClosed('Blender closed the channel')));
    channel.on('error', (error) => this.close(new ChannelClosed(error.message)));
  }

  /**
   * Sends a command and gives its result, checked against `shape`.
   *
   * @throws RenderFailure with the kind that the driver names; whatever `close` was called with if Blender ended meanwhile.
   */
  async request<Result>(command: Record<string, unknown>, shape: z.ZodType<Result>): Promise<Result> {
    if (this.#closed) throw this.#closed;
    if (this.#waiting) throw new Error('The driver takes one command at a time');
    const id = ++this.#lastId;
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#waiting = { id, resolve, reject };
    });
    this.#channel.write(`${JSON.stringify({ id, ...command })}\n`);
    const result = shape.safeParse(await answered);
    if (!result.success) {
      const error = new DriverMisbehaved(`The driver's answer has a wrong shape: ${result.error.message}`);
      this.close(error);
      throw error;
    }
    return result.data;
  }

  /** Ends the connection: whoever waits gets `error`. */
  close(error: Error): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#chunks = [];
    this.#failReady(error);
    this.#waiting?.reject(error);
    this.#waiting = null;
    this.#channel.destroy();
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(LINE_FEED); end !== -1 && !this.#closed; end = rest.indexOf(LINE_FEED)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]).toString('utf8');
      this.#chunks = [];
      this.#bufferedBytes = 0;
      rest = rest.subarray(end + 1);
      this.#readLine(line);
    }
    if (this.#closed || rest.length === 0) return;
    this.#chunks.push(rest);
    this.#bufferedBytes += rest.length;
    if (this.#bufferedBytes > MAX_LINE_BYTES) this.close(new DriverMisbehaved('The driver wrote an endless line'));
  }

  #readLine(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.close(new DriverMisbehaved('The driver wrote something that is not JSON'));
      return;
    }
    const ready = Ready.safeParse(message);
    if (ready.success) {
      this.#announceReady(ready.data.version);
      return;
    }
    const answer = Answer.safeParse(message);
    const waiting = this.#waiting;
    if (!answer.success || !waiting || answer.data.id !== waiting.id) {
      this.close(new DriverMisbehaved('The driver answered what it was not asked'));
      return;
    }
    this.#waiting = null;
    if (answer.data.ok) waiting.resolve(answer.data.result);
    else waiting.reject(new RenderFailure(answer.data.kind, answer.data.message.slice(0, MAX_MESSAGE_CHARACTERS)));
  }
}
