import type { BlenderProcess } from './blender-process.ts';

/** A device without work for so long gets its next standby. */
const IDLE_MS = 1_000;
/** A device that stays at work gets it after this time all the same: starting a Blender costs less than one second of one core. */
const AT_LATEST_MS = 15_000;

/**
 * One Blender that waits, loaded and in its sandbox, for whoever needs one next. Its successor is started when the device rests,
 * so that it does not compete with the first frame.
 */
export class Standby {
  readonly #start: () => Promise<BlenderProcess>;
  #waiting: Promise<BlenderProcess> | null = null;
  #idleTimer: NodeJS.Timeout | undefined;
  #latestTimer: NodeJS.Timeout | undefined;
  #atWork = 0;
  #isClosed = false;

  constructor(start: () => Promise<BlenderProcess>) {
    this.#start = start;
    this.#renew();
  }

  /** The waiting Blender, or a new one where none waits. */
  async take(): Promise<BlenderProcess> {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (!this.#isClosed) this.#latestTimer ??= setTimeout(() => this.#renew(), AT_LATEST_MS);
    const process = await waiting?.catch(() => null);
    if (process && !process.hasEnded) return process;
    await process?.dispose();
    return this.#start();
  }

  /** The device does something; `end` must follow. */
  beginWork(): void {
    this.#atWork += 1;
    clearTimeout(this.#idleTimer);
  }

  endWork(): void {
    this.#atWork -= 1;
    clearTimeout(this.#idleTimer);
    if (this.#atWork === 0 && !this.#isClosed) this.#idleTimer = setTimeout(() => this.#renew(), IDLE_MS);
  }

  /** No more are started; the one that waits is its owner's to end. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = null;
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#latestTimer);
  }

  #renew(): void {
    clearTimeout(this.#latestTimer);
    this.#latestTimer = undefined;
    if (this.#isClosed || this.#waiting) return;
    this.#waiting = this.#start();
    // Whoever takes it starts another one, and is told if that fails too.
    this.#waiting.catch(() => {});
  }
}
