import type { FailureKind } from '@pictor/protocol';
import { RenderFailure } from '@pictor/rendering';
import { ChunkError } from '../content/chunk-client.ts';
import { errorText, log } from '../log.ts';

/** A failure in the form of a report. */
export interface FailureDescription {
  failure: FailureKind;
  message: string;
  log: string;
}

const MESSAGE_LENGTH = 4096;
const LOG_LENGTH = 65_536;

/** Turns whatever was thrown into a kind of the protocol; `otherwise` is for what has no kind of its own. */
export function describeFailure(error: unknown, otherwise: FailureKind): FailureDescription {
  if (error instanceof RenderFailure) {
    return { failure: error.kind, message: error.message.slice(0, MESSAGE_LENGTH), log: tailOf(error.log) };
  }
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const message = `The disk of the worker is full: ${errorText(error)}`;
    return { failure: 'disk-full', message: message.slice(0, MESSAGE_LENGTH), log: '' };
  }
  if (!(error instanceof ChunkError)) {
    log('error', 'Something unforeseen failed.', { error: error instanceof Error ? error.stack : String(error) });
  }
  return { failure: otherwise, message: errorText(error).slice(0, MESSAGE_LENGTH), log: '' };
}

/** The last lines are the ones that tell. */
export function tailOf(text: string): string {
  return text.slice(-LOG_LENGTH);
}
