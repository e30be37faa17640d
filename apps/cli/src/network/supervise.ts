import { setTimeout as sleep } from 'node:timers/promises';
import { type ProgramEvent, type ProgramOptions, type RunningProgram, startProgram } from './start-program.ts';

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;
/** So many ends in a row without having worked in between are no accident. */
const MAX_FAILED_STARTS = 5;

export interface SuperviseOptions {
  /** Said of the next start; called before each one. */
  program: () => Omit<ProgramOptions, 'onEvent'>;
  /** The event that shows that the program works. */
  workingEvent: string;
  onEvent: (event: ProgramEvent) => void;
  /** It ended by itself and is started again. */
  onRestart: (how: string) => void;
  /** It ended by itself and is not started again: `event` is what it said of that, if anything. */
  onGiveUp: (how: string, event: ProgramEvent | null) => void;
  /** Whether its last event before it ended (null: it said nothing) means that starting it again would change nothing. */
  isFinal: (event: ProgramEvent | null) => boolean;
}

export interface Supervised {
  /** Sends the signals one after the other, each after waiting so long for the end, and at last SIGKILL. */
  stop: (steps: { signal: NodeJS.Signals; waitMs: number }[]) => Promise<void>;
}

/** Keeps a program running: started again, with growing delays, whenever it ends without having been stopped. */
export function supervise(options: SuperviseOptions): Supervised {
  let running: RunningProgram;
  let last: ProgramEvent | null = null;
  let failedStarts = 0;
  const stopping = new AbortController();

  const start = () => {
    last = null;
    running = startProgram({
      ...options.program(),
      onEvent: (event) => {
        last = event;
        if (event.event === options.workingEvent) failedStarts = 0;
        options.onEvent(event);
      },
    });
  };

  const keep = async () => {
    for (;;) {
      const { code, signal } = await running.exited;
      if (stopping.signal.aborted) return;
      const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
      failedStarts += 1;
      if (options.isFinal(last) || failedStarts > MAX_FAILED_STARTS) {
        options.onGiveUp(how, last);
        return;
      }
      options.onRestart(how);
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (failedStarts - 1), LONGEST_DELAY_MS);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      start();
    }
  };

  start();
  const kept = keep().catch((error) => options.onGiveUp(String(error), null));
  return {
    stop: async (steps) => {
      stopping.abort();
      for (const { signal, waitMs } of [...steps, { signal: 'SIGKILL' as const, waitMs: 10_000 }]) {
        running.kill(signal);
        const waiting = new AbortController();
        const ended = await Promise.race([
          kept.then(() => true),
          sleep(waitMs, false, { signal: waiting.signal }).catch(() => false),
        ]);
        waiting.abort();
        if (ended) return;
      }
    },
  };
}
