import { MultiBar, type SingleBar } from 'cli-progress';
import type { CliEvent, Report } from './cli-event.ts';
import { eventText, progressText } from './event-text.ts';
import { formatBytes } from './format-quantities.ts';

/** Shows events to whoever reads: JSON lines, live bars on a terminal, or plain lines. */
export interface Reporter {
  report: Report;
  /** Takes the bars away while a question is asked, or for good. */
  pause(): void;
  resume(): void;
  [Symbol.dispose](): void;
}

export function createReporter(options: { json?: boolean }): Reporter {
  if (options.json) return jsonReporter();
  return process.stdout.isTTY ? liveReporter() : plainReporter();
}

const JSON_PROGRESS_MS = 250;
const PLAIN_PROGRESS_MS = 5000;

const nothingToPause = { pause: () => {}, resume: () => {}, [Symbol.dispose]: () => {} };

function jsonReporter(): Reporter {
  const isDue = createThrottle(JSON_PROGRESS_MS);
  return {
    report: (event) => {
      if (isDue(event)) process.stdout.write(`${JSON.stringify(event)}\n`);
    },
    ...nothingToPause,
  };
}

function plainReporter(): Reporter {
  const isDue = createThrottle(PLAIN_PROGRESS_MS);
  let lastLine = '';
  return {
    report: (event) => {
      if (!isDue(event)) return;
      const line = barText(event) ?? eventText(event);
      if (line === null || line === lastLine) return;
      lastLine = line;
      (isWarning(event) ? process.stderr : process.stdout).write(`${line}\n`);
    },
    ...nothingToPause,
  };
}

function isWarning(event: CliEvent): boolean {
  return event.event === 'warning' || event.event === 'restarted' || event.event === 'alert';
}

function barText(event: CliEvent): string | null {
  if (event.event === 'upload') return `uploading: ${formatBytes(event.sentBytes)} of ${formatBytes(event.totalBytes)}`;
  return event.event === 'progress' ? progressText(event) : null;
}

/** Says of progress and upload events whether one is due; all others always are. */
function createThrottle(everyMs: number): (event: CliEvent) => boolean {
  const last = new Map<string, number>();
  return (event) => {
    if (event.event !== 'progress' && event.event !== 'upload') return true;
    const now = performance.now();
    const isDue = now - (last.get(event.event) ?? -Infinity) >= everyMs;
    if (isDue) last.set(event.event, now);
    return isDue;
  };
}

function liveReporter(): Reporter {
  let bars: MultiBar | null = null;
  const shown = new Map<string, SingleBar>();
  let isPaused = false;

  const show = (name: string, total: number, value: number, text: string) => {
    if (isPaused) return;
    bars ??= new MultiBar({
      format: '{name} [{bar}] {text}',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      linewrap: false,
      stream: process.stdout,
      gracefulExit: false,
    });
    const bar = shown.get(name) ?? bars.create(Math.max(total, 1), 0, { name, text });
    shown.set(name, bar);
    bar.setTotal(Math.max(total, 1));
    bar.update(total === 0 ? 1 : value, { name, text });
  };
  const stop = () => {
    bars?.stop();
    bars = null;
    shown.clear();
  };
  const print = (line: string) => {
    // Below bars that are redrawn a line would be overwritten: they print it above themselves.
    if (bars && !isPaused) bars.log(`${line}\n`);
    else process.stdout.write(`${line}\n`);
  };

  return {
    report: (event) => {
      if (event.event === 'upload') {
        const text = `${formatBytes(event.sentBytes)} of ${formatBytes(event.totalBytes)}`;
        show('upload', event.totalBytes, event.sentBytes, text);
      } else if (event.event === 'progress') {
        show('render', event.total, event.done + event.failed, progressText(event));
      } else {
        if (event.event === 'uploaded' || event.event === 'finished') stop();
        const line = eventText(event);
        if (line !== null) print(line);
      }
    },
    pause: () => {
      stop();
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
    },
    [Symbol.dispose]: stop,
  };
}
