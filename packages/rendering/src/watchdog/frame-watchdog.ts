import type { FailureKind, Timeouts } from '@pictor/protocol';
import { cpuSecondsOfTree } from './cpu-seconds.ts';

const LOOK_EVERY_MS = 250;
/** Less than this share of one core since the evidence was collected counts as standing still. */
const STANDSTILL_CPU_SHARE = 0.01;

export type AlertLevel = 'alert' | 'analysis';

export interface Watched {
  pid: number;
  memoryBytes(): Promise<number>;
  /** The last line in which Blender said what it does. */
  lastLine(): string;
}

interface Evidence {
  atMs: number;
  cpuSeconds: number;
  line: string;
}

/**
 * Watches one frame: says when it takes longer than the alert and analysis timeouts, calls `stop` after the stop timeout, and
 * keeps the highest memory that it saw. `end` must be called when the frame is over.
 */
export class FrameWatchdog {
  readonly #watched: Watched;
  readonly #timeouts: Timeouts;
  readonly #onAlert: (level: AlertLevel, evidence: string) => void;
  readonly #stop: (kind: FailureKind, message: string) => void;
  readonly #startedMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #peakMemoryBytes = 0;
  #told = new Set<AlertLevel>();
  #analysed: Evidence | null = null;
  #isLooking = false;
  #hasEnded = false;

  constructor(options: {
    watched: Watched;
    timeouts: Timeouts;
    onAlert: (level: AlertLevel, evidence: string) => void;
    stop: (kind: FailureKind, message: string) => void;
  }) {
    this.#watched = options.watched;
    this.#timeouts = options.timeouts;
    this.#onAlert = options.onAlert;
    this.#stop = options.stop;
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  /** Ends the watch; the highest memory of the frame, the present one included. */
  async end(): Promise<{ peakMemoryBytes: number }> {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    await this.#sampleMemory();
    return { peakMemoryBytes: this.#peakMemoryBytes };
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#sampleMemory();
      const elapsedSeconds = (performance.now() - this.#startedMs) / 1000;
      const { alertSeconds, analysisSeconds, stopSeconds } = this.#timeouts;
      if (alertSeconds !== undefined && elapsedSeconds >= alertSeconds) await this.#tell('alert', elapsedSeconds);
      if (analysisSeconds !== undefined && elapsedSeconds >= analysisSeconds)
        await this.#tell('analysis', elapsedSeconds);
      if (stopSeconds !== undefined && elapsedSeconds >= stopSeconds) await this.#stopFrame(stopSeconds);
    } finally {
      this.#isLooking = false;
    }
  }

  async #sampleMemory(): Promise<void> {
    const memoryBytes = await this.#watched.memoryBytes().catch(() => 0);
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, memoryBytes);
  }

  async #tell(level: AlertLevel, elapsedSeconds: number): Promise<void> {
    if (this.#told.has(level)) return;
    this.#told.add(level);
    const evidence = await this.#collect();
    if (this.#hasEnded) return;
    if (level === 'analysis') this.#analysed = evidence;
    const memoryMiB = Math.round(this.#peakMemoryBytes / 1024 / 1024);
    this.#onAlert(
      level,
      `After ${elapsedSeconds.toFixed(1)} s: ${evidence.cpuSeconds.toFixed(1)} s of CPU used, at most ${memoryMiB} MiB of memory. ` +
        (evidence.line === '' ? 'Blender has said nothing yet.' : `Blender last said: ${evidence.line}`),
    );
  }

  async #stopFrame(stopSeconds: number): Promise<void> {
    const now = await this.#collect();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#timer);
    const before = this.#analysed;
    const said = now.line === '' ? 'Blender had said nothing.' : `Blender last said: ${now.line}`;
    if (before && stoodStill(before, now)) {
      const seconds = ((now.atMs - before.atMs) / 1000).toFixed(1);
      this.#stop('no-progress', `Blender used no CPU and said nothing for ${seconds} s, and was stopped. ${said}`);
      return;
    }
    this.#stop('timed-out', `The frame took longer than its stop timeout of ${stopSeconds} s. ${said}`);
  }

  async #collect(): Promise<Evidence> {
    const cpuSeconds = await cpuSecondsOfTree(this.#watched.pid);
    return { atMs: performance.now(), cpuSeconds, line: this.#watched.lastLine() };
  }
}

function stoodStill(before: Evidence, now: Evidence): boolean {
  const seconds = (now.atMs - before.atMs) / 1000;
  return now.line === before.line && now.cpuSeconds - before.cpuSeconds < seconds * STANDSTILL_CPU_SHARE;
}
