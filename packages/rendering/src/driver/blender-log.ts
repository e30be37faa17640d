import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

export type RenderPhase = 'loading' | 'syncing' | 'rendering' | 'writing';

/** What Blender last said about the frame in work. */
export interface RenderStatus {
  phase: RenderPhase;
  /** Samples done and to do of the view layer in work; null before the first. */
  samples: { done: number; total: number } | null;
  /** View layers (of all views) that are finished. */
  layersDone: number;
  /** The last line of statistics, for people. */
  line: string;
}

const MAX_LINE_CHARACTERS = 2000;
const MAX_LOG_CHARACTERS = 60_000;
const STATISTICS = /^Fra:-?\d+ /;
const SAMPLES = /\b(?:Sample|Rendering) (\d{1,9}) ?\/ ?(\d{1,9})\b/;

/**
 * Follows what Blender prints: keeps the last lines, and reads progress from its statistics. A scene may print what it likes:
 * nothing here is believed beyond a progress bar, and no more than some kilobytes are kept.
 */
export class BlenderLog {
  #lines: string[] = [];
  #characters = 0;
  #partial = new Map<Readable, string>();
  #ends: Promise<void>[] = [];
  #status: RenderStatus = { phase: 'loading', samples: null, layersDone: 0, line: '' };
  #onStatus: ((status: RenderStatus) => void) | null = null;

  follow(stream: Readable): void {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const lines = ((this.#partial.get(stream) ?? '') + text).split('\n');
      this.#partial.set(stream, (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS));
      for (const line of lines) this.#read(line.trimEnd().slice(0, MAX_LINE_CHARACTERS));
    });
    stream.on('error', () => {});
    this.#ends.push(new Promise((resolve) => stream.once('close', resolve)));
  }

  /** Resolves when everything that was printed is here, or after the time given. */
  async wholeWithin(milliseconds: number): Promise<void> {
    await Promise.race([Promise.all(this.#ends), sleep(milliseconds, undefined, { ref: false })]);
  }

  get status(): RenderStatus {
    return this.#status;
  }

  /** The last lines, without the statistics. */
  get text(): string {
    return this.#lines.join('\n');
  }

  /** Forgets the lines so far, and calls `onStatus` whenever Blender says how far the frame is. */
  startFrame(onStatus: (status: RenderStatus) => void): void {
    this.#lines = [];
    this.#characters = 0;
    this.#status = { phase: 'syncing', samples: null, layersDone: 0, line: '' };
    this.#onStatus = onStatus;
  }

  endFrame(): void {
    this.#onStatus = null;
  }

  #read(line: string): void {
    if (STATISTICS.test(line)) {
      this.#status = nextStatus(this.#status, line);
      this.#onStatus?.(this.#status);
      return;
    }
    if (line === '') return;
    this.#lines.push(line);
    this.#characters += line.length + 1;
    while (this.#characters > MAX_LOG_CHARACTERS) this.#characters -= (this.#lines.shift()?.length ?? 0) + 1;
  }
}

function nextStatus(status: RenderStatus, line: string): RenderStatus {
  const match = SAMPLES.exec(line);
  if (match) {
    const samples = { done: Number(match[1]), total: Number(match[2]) };
    // Counting from the beginning again: the next view layer, or the next view.
    const isNextLayer = status.samples !== null && samples.done < status.samples.done;
    return { phase: 'rendering', samples, layersDone: status.layersDone + (isNextLayer ? 1 : 0), line };
  }
  if (/\| (?:Finished|Compositing)|Compositing/.test(line)) return { ...status, phase: 'writing', line };
  const isSyncing = /Synchroniz|Syncing|Updating|Initializing|Loading|Building/.test(line);
  return { ...status, phase: isSyncing ? 'syncing' : status.phase, line };
}

/** How much of a frame is done, 0..1, by the samples of all its view layers. */
export function renderedFraction(status: RenderStatus, layers: number): number {
  if (!status.samples || status.samples.total === 0) return 0;
  const layer = Math.min(1, status.samples.done / status.samples.total);
  return Math.min(1, (status.layersDone + layer) / Math.max(1, layers, status.layersDone + 1));
}
