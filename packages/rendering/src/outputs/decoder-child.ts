import { mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PictorError, Sha256 } from '@pictor/protocol';
import { z } from 'zod';
import { type SandboxedProcess, type SandboxProbe, startSandboxed } from '../sandbox/index.ts';

const SCRIPT = join(import.meta.dirname, 'decode_outputs.py');
const SCRIPT_INSIDE = '/decoder/decode_outputs.py';
/** Debian's own Python: the bindings of OpenImageIO belong to that one. */
const PYTHON = '/usr/bin/python3';

const MEBIBYTE = 1024 * 1024;
const MEMORY_BYTES = 2048 * MEBIBYTE;
const READY_SECONDS = 30;
const LONGEST_LINE_BYTES = 64 * 1024;
const COMPLAINT_BYTES = 4000;

/** What a file may claim to be, at most. The bomb of 60000 × 60000 pixels is beyond it, a picture of 16k × 16k is not. */
const LIMITS = { pixels: 2 ** 29, channels: 4096, subimages: 256, bytes: 2 ** 35 };

const Answer = z.union([
  z.object({
    id: z.number(),
    width: z.number().int().min(1),
    height: z.number().int().min(1),
    channels: z.number().int().min(1),
    bits: z.number().int().min(1).max(64),
    isMultilayer: z.boolean(),
    pixelSha256: Sha256,
  }),
  z.object({ id: z.number(), error: z.string().max(1000) }),
  z.object({ ready: z.literal(true) }),
]);
export type Answer = Exclude<z.infer<typeof Answer>, { ready: true }>;

/** The child ended, or said something that it never says, or nothing for too long. It has been killed. */
export class DecoderGone extends Error {
  /** What it wrote last. */
  readonly log: string;

  constructor(message: string, log: string) {
    super(message);
    this.log = log;
  }
}

/** This machine cannot decode pictures; the message says why and what to do. */
export class DecoderUnavailable extends Error {}

/** One warm, sandboxed process that decodes pictures, one at a time. What it says is believed in its shape only. */
export class DecoderChild {
  readonly #process: SandboxedProcess;
  readonly #workDir: string;
  #received = '';
  #stderr = '';
  #waiting: { resolve: (line: string) => void; reject: () => void } | null = null;
  #lastId = 0;
  #goneBecause: string | null = null;

  private constructor(process: SandboxedProcess, workDir: string) {
    this.#process = process;
    this.#workDir = workDir;
    process.channel.on('data', (chunk: Buffer) => this.#receive(chunk.toString('latin1')));
    process.stdout.resume();
    process.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-COMPLAINT_BYTES);
    });
    process.stderr.resume();
    void process.exited.then(({ code, signal, limit }) => {
      const why =
        limit === null ? `ended with ${signal ?? `exit code ${code}`}` : `needed more ${limit} than it may have`;
      this.#fail(`the decoder ${why}`);
    });
  }

  /** @throws DecoderUnavailable */
  static async start(options: { sandbox: SandboxProbe; workDir: string; slot: number }): Promise<DecoderChild> {
    const workDir = await mkdtemp(join(options.workDir, 'decoder-'));
    const { level } = options.sandbox;
    try {
      const started = await startSandboxed({
        level,
        slot: options.slot,
        workDir,
        mounts: [{ source: SCRIPT, target: SCRIPT_INSIDE }],
        limits: { memoryBytes: MEMORY_BYTES, processes: 32, outputBytes: MEBIBYTE, outputFiles: 16 },
        display: false,
        command: PYTHON,
        args: ['-I', '-B', level === 'bubblewrap' ? SCRIPT_INSIDE : SCRIPT, JSON.stringify(LIMITS)],
        env: { OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' },
      });
      const child = new DecoderChild(started, workDir);
      await child.#nextLine(READY_SECONDS);
      return child;
    } catch (error) {
      await rm(workDir, { recursive: true, force: true });
      if (error instanceof PictorError) throw new DecoderUnavailable(error.message, { cause: error });
      if (!(error instanceof DecoderGone)) throw error;
      const said = error.log.trim().split('\n').at(-1);
      throw new DecoderUnavailable(
        `Pictures cannot be decoded on this machine (${said || error.message}): apt install python3-openimageio python3-numpy.`,
        { cause: error },
      );
    }
  }

  /** Whether it can be asked again. */
  get isAlive(): boolean {
    return this.#goneBecause === null;
  }

  /** The folder in which a file must lie to be decoded, readable by others. */
  get jobDir(): string {
    return this.#process.jobDir;
  }

  /** @throws DecoderGone */
  async decode(file: string, plugin: string, withinSeconds: number): Promise<Answer> {
    const id = ++this.#lastId;
    const path = join(this.#process.inside.jobDir, basename(file));
    const line = this.#nextLine(withinSeconds);
    this.#process.channel.write(`${JSON.stringify({ id, path, format: plugin })}\n`);
    const answer = Answer.safeParse(parseJson(await line));
    if (answer.success && 'id' in answer.data && answer.data.id === id) return answer.data;
    await this.kill('the decoder said something that no decoder says');
    throw this.#gone();
  }

  async kill(reason = 'the decoder was stopped'): Promise<void> {
    this.#fail(reason);
    await this.#process.kill();
    await rm(this.#workDir, { recursive: true, force: true });
  }

  async #nextLine(withinSeconds: number): Promise<string> {
    if (this.#goneBecause !== null) throw this.#gone();
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(() => this.#fail(`decoding took longer than ${withinSeconds} s`), withinSeconds * 1000);
      });
    } catch {
      await this.kill();
      throw this.#gone();
    } finally {
      clearTimeout(timer);
    }
  }

  #receive(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf('\n');
    if (end === -1) {
      if (this.#received.length > LONGEST_LINE_BYTES) this.#fail('the decoder said something that no decoder says');
      return;
    }
    const line = this.#received.slice(0, end);
    this.#received = this.#received.slice(end + 1);
    const waiting = this.#waiting;
    this.#waiting = null;
    // Speaking without being asked, it would answer the next question before that is put.
    if (!waiting || this.#received !== '') this.#fail('the decoder said something that no decoder says');
    else waiting.resolve(line);
  }

  #fail(reason: string): void {
    this.#goneBecause ??= reason;
    this.#waiting?.reject();
    this.#waiting = null;
  }

  #gone(): DecoderGone {
    return new DecoderGone(this.#goneBecause ?? 'the decoder is gone', this.#stderr);
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
