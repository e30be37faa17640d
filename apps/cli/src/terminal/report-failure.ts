import { ERRORS, PictorError } from '@pictor/protocol';
import { CommanderError } from 'commander';
import { Interrupted } from './interruption.ts';

/**
 * Says once what went wrong: `error: …` on stderr, with `json` also an event on stdout. Returns the exit code: 2 where the input is
 * at fault, 128 + signal after an interruption, else 1.
 */
export function reportFailure(error: unknown, json: boolean): number {
  // commander has printed its own message (or the help that was asked for).
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Interrupted) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  const { code, message, details } = describe(error);
  if (json) process.stdout.write(`${JSON.stringify({ event: 'error', code, message, details })}\n`);
  process.stderr.write(`error: ${message}\n`);
  return ERRORS[code].exitCode;
}

function describe(error: unknown): Pick<PictorError, 'code' | 'message' | 'details'> {
  if (error instanceof PictorError && Object.hasOwn(ERRORS, error.code)) return error;
  const system = error as NodeJS.ErrnoException;
  if (system.code === 'ENOSPC' || system.code === 'EDQUOT') {
    const where = system.path ? ` for ${system.path}` : '';
    return {
      code: 'disk-full',
      message: `No space is left on the disk${where}. Free some and try again.`,
      details: {},
    };
  }
  if (typeof system.syscall === 'string') return { code: 'internal', message: system.message, details: {} };
  // A bug: its place in the code is what helps whoever reads it.
  return {
    code: 'internal',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    details: {},
  };
}
