import { createInterface } from 'node:readline/promises';

/** Whether there is somebody to ask. */
export function canAsk(options: { json?: boolean }): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true && !options.json;
}

/**
 * Asks until the answer begins with one of `choices` (single letters; an empty answer is `fallback`, where there is one). Ctrl-C while
 * asking calls `onInterrupt`; the end of the input answers null.
 */
export async function ask<Choice extends string>(options: {
  question: string;
  choices: readonly Choice[];
  fallback?: Choice;
  signal: AbortSignal;
  onInterrupt: () => void;
}): Promise<Choice | null> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ended = Promise.withResolvers<null>();
  terminal.on('SIGINT', options.onInterrupt);
  terminal.on('close', () => ended.resolve(null));
  try {
    for (;;) {
      const answer = await Promise.race([
        terminal.question(options.question, { signal: options.signal }).catch(() => null),
        ended.promise,
      ]);
      if (answer === null) return null;
      const letter = answer.trim().toLowerCase().slice(0, 1);
      if (letter === '' && options.fallback) return options.fallback;
      const choice = options.choices.find((each) => each === letter);
      if (choice) return choice;
    }
  } finally {
    terminal.close();
  }
}
