import { PictorError } from '@pictor/protocol';

/** The sandbox did not come up; the caller has left nothing of it. */
export function sandboxUnavailable(reason: string, cause?: unknown): PictorError {
  return new PictorError('sandbox-unavailable', `The sandbox could not be started: ${reason}`, { cause });
}
