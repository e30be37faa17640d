import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PictorError } from '@pictor/protocol';

/** Runs a program to its end. Returns its exit code and the last lines that it printed. */
export async function runTool(
  command: string,
  args: string[],
  signal: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  // Not in the terminal's group: Ctrl-C is answered here, and ends it by the signal.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, signal });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-2000);
    });
  }
  const failed = once(child, 'error').then(([error]) => {
    signal.throwIfAborted();
    throw new PictorError(
      'setup-missing',
      `${command} cannot be started: ${(error as Error).message}. See "pictor doctor".`,
    );
  });
  const [code] = await Promise.race([once(child, 'close'), failed]);
  signal.throwIfAborted();
  return { code, output: output.trim() };
}
