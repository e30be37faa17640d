import { constants } from 'node:os';

/** Thrown where a command ends because of a signal, after it has cleaned up. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals, message: string) {
    super(message);
    this.name = 'Interrupted';
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** Ctrl-C and the signals that ask a command to end, as an AbortSignal; `ask` gets the first Ctrl-C on a terminal. */
export interface Interruption {
  signal: AbortSignal;
  /** Sets (or with null takes away) the question that the first Ctrl-C on a terminal asks; it is asked once. */
  setQuestion(question: (() => void) | null): void;
  /** Ends the command as a second Ctrl-C would. */
  interrupt(message?: string): void;
  [Symbol.dispose](): void;
}

/** Takes the signals over until disposed. Without a question, the first signal aborts. */
export function createInterruption(message = 'interrupted'): Interruption {
  const controller = new AbortController();
  let question: (() => void) | null = null;
  const end = (signal: NodeJS.Signals, text: string) => {
    if (!controller.signal.aborted) controller.abort(new Interrupted(signal, text));
  };
  const onInterrupt = () => {
    const ask = question;
    question = null;
    if (ask) ask();
    else end('SIGINT', message);
  };
  const onTerminate = (signal: NodeJS.Signals) => end(signal, message);
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  process.on('SIGHUP', onTerminate);
  return {
    signal: controller.signal,
    setQuestion: (next) => {
      question = next;
    },
    interrupt: (text = message) => end('SIGINT', text),
    [Symbol.dispose]: () => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
      process.off('SIGHUP', onTerminate);
    },
  };
}

/** Waits for `work`, or rejects with the signal's reason as soon as it aborts. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
